//go:build !race

package server

import (
	"bytes"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/monitor/predlog"
)

// maxAllocs is what one classification may allocate from the parsed request to the reply, image decoding excepted: the bookkeeping
// with its context, an id, the probabilities, the list of the best and the answer. Nothing in it grows with the image.
const maxAllocs = 6

// maxAllocsV2 is the same for a raw tensor: beside those the model's name out of the path and the answer in the protocol's
// terms.
const maxAllocsV2 = 7

func TestClassifyAllocations(t *testing.T) {
	s, err := Open(Config{Models: []Model{colourModel("colours", "1")}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	img := pngOf(picture(8, 8, red))

	var ctx fasthttp.RequestCtx
	ctx.Init2(fakeConn{}, fastLogger{zap.NewNop()}, false)
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI("/v1/classify?top_k=3")
	ctx.Request.SetBody(img)
	total := testing.AllocsPerRun(500, func() {
		s.handle(&ctx)
		ctx.ResetUserValues()
	})
	if ctx.Response.StatusCode() != 200 {
		t.Fatalf("got %d %s", ctx.Response.StatusCode(), ctx.Response.Body())
	}
	m := s.catalog.Load().models[0]
	pixels := make([]byte, m.Preprocess.Size())
	decode := testing.AllocsPerRun(500, func() {
		if _, _, err := s.decodeInto(t.Context(), m, img, pixels); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%.0f allocations for a request, %.0f of them in decoding", total, decode)
	if own := total - decode; own > maxAllocs {
		t.Errorf("a request makes %.0f allocations beside decoding; the budget is %d", own, maxAllocs)
	}
}

// TestLoggedAllocations: an answer that is logged costs the garbage collector what another one does.
func TestLoggedAllocations(t *testing.T) {
	allocations := func(log PredictionLog) float64 {
		s, err := Open(Config{Models: []Model{nullModel()}, PredictionLog: log})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx := smallRequests[0].context()
		return testing.AllocsPerRun(500, func() {
			s.handle(ctx)
			ctx.ResetUserValues()
			if ctx.Response.StatusCode() != 200 {
				t.Fatal(string(ctx.Response.Body()))
			}
		})
	}
	log, err := predlog.Open(predlog.Config{Dir: t.TempDir(), Interval: time.Hour, Vectors: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close(t.Context())
	without, with := allocations(nil), allocations(log)
	if c := log.Counts(); c.Queued < 500 {
		t.Fatalf("nothing was logged: %+v", c)
	}
	if with > without+1 { // the writer's, which takes the answers in the meantime
		t.Errorf("a request makes %.0f allocations, and %.0f when its answer is logged", without, with)
	}
}

func TestTensorAllocations(t *testing.T) {
	s, err := Open(Config{Models: []Model{nullModel()}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := smallRequests[0].context()
	got := testing.AllocsPerRun(500, func() {
		s.handle(ctx)
		ctx.ResetUserValues()
	})
	if ctx.Response.StatusCode() != 200 {
		t.Fatalf("got %d %s", ctx.Response.StatusCode(), ctx.Response.Body())
	}
	if got > maxAllocsV2 {
		t.Errorf("a request makes %.0f allocations; the budget is %d", got, maxAllocsV2)
	}
}

// What a request adds to the counts, in the process's memory, is nothing.
func TestCountAllocations(t *testing.T) {
	m := NewMetrics(nil)
	counts := m.Model("m", "1")
	ex := &exchange{model: &served{counts: counts}, images: 1, timing: timing{total: 12 * time.Millisecond}}
	if n := testing.AllocsPerRun(100, func() {
		counts.observeAnswer(ex.timing)
		m.observeRequest(ex, 200)
		m.observeRequest(ex, 504)
		counts.setQueueDepth(3)
	}); n > 0 {
		t.Errorf("counting makes %v allocations", n)
	}
}

// Parsing a form copies each file once, into a pooled buffer; parsing JSON decodes into one.
func TestParseAllocations(t *testing.T) {
	f := func(contentType string, body []byte, most float64) {
		t.Helper()
		lim := limits{images: 4, timeout: 1}
		got := testing.AllocsPerRun(200, func() {
			u := &upload{}
			if err := u.parse(contentType, body, lim); err != nil {
				t.Fatal(err)
			}
			u.release()
		})
		if got > most {
			t.Errorf("%s: %.0f allocations; the budget is %.0f", contentType, got, most)
		}
	}
	big := bytes.Repeat([]byte("A"), 100_000)
	f("image/jpeg", big, 2)
	f("application/json", append(append([]byte(`{"image":"`), big...), `"}`...), 4)
	ct, body := form(nil, big)
	f(ct, body, 40)
}
