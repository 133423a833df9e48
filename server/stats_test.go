package server

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/server/oip"
)

// direct calls a server without a connection, so that fake time can pass.
type direct struct {
	*Server
	t *testing.T
}

func openDirect(t *testing.T, cfg Config) direct {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return direct{s, t}
}

func (d direct) do(method, uri string, body []byte) (status int, answer []byte) {
	var ctx fasthttp.RequestCtx
	ctx.Init2(fakeConn{}, fastLogger{zap.NewNop()}, false)
	ctx.Request.Header.SetMethod(method)
	ctx.Request.SetRequestURI(uri)
	ctx.Request.SetBody(body)
	d.handle(&ctx)
	return ctx.Response.StatusCode(), ctx.Response.Body()
}

func (d direct) stats(query string) statsView {
	d.t.Helper()
	status, body := d.do("GET", "/v1/stats"+query, nil)
	var v statsView
	if err := json.Unmarshal(body, &v); status != 200 || err != nil {
		d.t.Fatalf("got %d %s: %v", status, body, err)
	}
	return v
}

// paced is the colour model with a queue that says what the test wants, and a run that takes as long as the picture is
// blue: a red one nothing, a blue one 100 ms.
func paced(version string) Model {
	m := colourModel("colours", version)
	m.QueueStats = func() batching.Stats {
		return batching.Stats{Limit: 40, Queued: 3, InFlight: 2, Runners: 1, DrainRate: 12.34}
	}
	m.Infer = func(ctx context.Context, in []byte, p batching.Priority) (batching.Result[[]float32], error) {
		shares := colourShares(in)
		run := time.Duration(float64(shares[2]) * float64(100*time.Millisecond))
		select {
		case <-time.After(run):
		case <-ctx.Done():
			return batching.Result[[]float32]{}, ctx.Err()
		}
		return batching.Result[[]float32]{Value: shares, BatchSize: 1, Run: run}, nil
	}
	return m
}

func TestStatsOfSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDirect(t, Config{Models: []Model{paced("1"), paced("2")}})
		defer d.Close()
		if v := d.stats(""); v.State != "ready" || len(v.Samples) != 0 || v.Window.Seconds != 0 || len(v.Models) != 2 {
			t.Fatalf("before the first second: %+v", v)
		}
		red, blue := redPNG, pngOf(picture(8, 8, blue))
		ask := func(uri string, body []byte, want int) {
			t.Helper()
			if status, answer := d.do("POST", uri, body); status != want {
				t.Fatalf("%s: got %d %s; want %d", uri, status, answer, want)
			}
		}
		for range 98 {
			ask("/v1/classify", red, 200)
		}
		ask("/v1/models/colours/versions/1/classify", blue, 200)
		ask("/v1/classify", blue, 200)
		ask("/v1/classify?timeout_ms=50", blue, 504)
		ask("/v1/classify", []byte("no image"), 415)
		ask("/v1/models/nobody/classify", red, 404)
		d.do("GET", "/healthz", nil)
		if _, err := d.Backend().Infer(t.Context(), &oip.InferRequest{Model: "nobody"}); err == nil { // as gRPC asks
			t.Fatal("nobody answered")
		}
		counts := d.catalog.Load().find("colours", "2").counts
		o := counts.Observer()
		o.Enqueued(5)
		o.Dequeued(4, 1)
		o.BatchDone(batching.Batch{Size: 4, Run: time.Millisecond})
		o.BatchDone(batching.Batch{Size: 4, Run: time.Millisecond})
		o.BatchDone(batching.Batch{Size: 1, Run: time.Millisecond})
		time.Sleep(time.Second)
		synctest.Wait()

		v := d.stats("")
		if len(v.Samples) != 1 || v.Samples[0].Seconds != 1 {
			t.Fatalf("after a second: %+v", v.Samples)
		}
		x := v.Samples[0]
		if x.All.Requests != (outcomesView{OK: 100, ClientError: 3, Deadline: 1}) || x.All.Images != 100 {
			t.Errorf("the server's counts are %+v", x.All)
		}
		near := func(what string, got, want float64) {
			t.Helper()
			if got < want*(1-v.LatencyError)-.001 || got > want*(1+v.LatencyError)+.001 {
				t.Errorf("%s is %v; want %v", what, got, want)
			}
		}
		near("p50", x.All.Latency.P50, 0)
		near("p99", x.All.Latency.P99, 100)
		near("the mean inference", x.All.Mean.Inference, 2)
		if got := x.All.Rejected; len(got) != 1 || got["deadline"] != 1 {
			t.Errorf("rejected are %v", got)
		}
		if len(x.Models) != 2 {
			t.Fatalf("%d models in the second; want 2", len(x.Models))
		}
		for _, m := range x.Models {
			switch m.Version {
			case "1":
				if m.Requests != (outcomesView{OK: 1}) || len(m.Batches) != 0 {
					t.Errorf("version 1: %+v", m)
				}
				near("version 1's p50", m.Latency.P50, 100)
			case "2":
				if m.Requests != (outcomesView{OK: 99, ClientError: 1, Deadline: 1}) || m.Images != 99 {
					t.Errorf("version 2: %+v", m)
				}
				if b := m.Batches; len(b) != 2 || b[0] != (batchCount{1, 1}) || b[1] != (batchCount{4, 2}) {
					t.Errorf("batches are %v", b)
				}
				if m.Queue != (queueFigures{Depth: 1, Peak: 5, Limit: 40, InFlight: 2}) {
					t.Errorf("the queue is %+v", m.Queue)
				}
			}
		}

		// Quiet seconds, then only what is newer.
		time.Sleep(2 * time.Second)
		synctest.Wait()
		v = d.stats("?since=" + strconv.FormatInt(x.T, 10))
		if len(v.Samples) != 2 || v.Samples[0].T != x.T+1000 || v.Samples[1].All.Latency != nil || v.Samples[1].All.Requests != (outcomesView{}) {
			t.Errorf("since the first second: %+v", v.Samples)
		}
		if w := v.Window; w.Seconds != 3 || w.All.Requests.OK != 100 || len(w.Models) != 2 {
			t.Errorf("the window is %+v", w)
		} else {
			near("the window's p99", w.All.Latency.P99, 100)
		}
		if w := d.stats("?window=2").Window; w.Seconds != 2 || w.All.Requests.OK != 0 || w.All.Latency != nil {
			t.Errorf("the window of two seconds is %+v", w)
		}
		if q := v.Models[1].Queue; q == nil || q.Limit != 40 || q.DrainRate != 12.3 || q.Runners != 1 {
			t.Errorf("the queue is %+v", q)
		}
	})
}

// The memory is bounded, and what a version did stays the server's when the version is gone.
func TestStatsKeepFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDirect(t, Config{Models: []Model{paced("1")}})
		defer d.Close()
		time.Sleep(sampleEvery / 2)
		for range keptSamples + 20 {
			d.do("POST", "/v1/classify", redPNG)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		v := d.stats("?window=300")
		if len(v.Samples) != keptSamples || v.Window.All.Requests.OK != keptSamples || v.Window.Seconds != keptSamples {
			t.Fatalf("%d samples, a window of %v s with %d requests", len(v.Samples), v.Window.Seconds, v.Window.All.Requests.OK)
		}
		for i, x := range v.Samples {
			if x.All.Requests.OK != 1 || i > 0 && x.T <= v.Samples[i-1].T {
				t.Fatalf("sample %d is %+v", i, x)
			}
		}
		d.do("POST", "/v1/classify", redPNG)
		d.cfg.Metrics.Forget("colours", "1")
		time.Sleep(time.Second)
		synctest.Wait()
		v = d.stats("?since=" + strconv.FormatInt(v.Samples[keptSamples-1].T, 10))
		if len(v.Samples) != 1 || v.Samples[0].All.Requests.OK != 1 || len(v.Samples[0].Models) != 0 {
			t.Errorf("the second in which the version was forgotten: %+v", v.Samples)
		}
	})
}

func TestStatsOfTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drift := &Drift{Score: .25, Detector: "mmd"}
		d := openDirect(t, Config{
			Models:  []Model{paced("1"), paced("2"), paced("3")},
			Traffic: map[string]Traffic{"colours": {Default: "1", Canary: &Share{"2", 20}, Shadow: &Share{"3", 100}}},
			Drift: func(model, version string) *Drift {
				if model == "colours" && version == "1" {
					return drift
				}
				return nil
			},
		})
		defer d.Close()
		for range 10 {
			d.do("POST", "/v1/classify", redPNG)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		m := d.stats("").Models
		if m[0].Role != "default" || m[0].Share != .8 || m[0].Drift == nil || *m[0].Drift != *drift || m[0].Shadow != nil {
			t.Errorf("version 1: %+v", m[0])
		}
		if m[1].Role != "canary" || m[1].Share != .2 || m[1].Drift != nil {
			t.Errorf("version 2: %+v", m[1])
		}
		if m[2].Role != "shadow" || m[2].Share != 0 || m[2].Shadow == nil || m[2].Shadow.Share != 1 || m[2].Shadow.Images != 10 || m[2].Shadow.DisagreementRatio != 0 {
			t.Errorf("version 3: %+v", m[2])
		}
		if _, body := d.do("GET", "/v1/stats", nil); !strings.Contains(string(body), `"drift":null`) {
			t.Error("a version that is not monitored has no drift: null")
		}
	})
}

// Whatever is counted while samples are taken is in exactly one of them.
func TestStatsCountOnce(t *testing.T) {
	m := NewMetrics(nil)
	c := new(catalog)
	s := &sampler{metrics: m, models: func() *catalog { return c }, each: map[*statistics]*totals{}}
	const workers, each = 8, 2000
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			of := m.Model("m", strconv.Itoa(i%3))
			for k := range each {
				p := of.stats.lock()
				p.countOutcome([]int{200, 415, 503, 504, 500}[k%5], time.Duration(k)*time.Microsecond)
				of.stats.unlock(p)
				of.setQueueDepth(k % 7)
				of.observeAnswer(timing{})
				m.reject(of, "deadline")
				of.Observer().BatchDone(batching.Batch{Size: 1 + k%4})
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var server, models totals
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		s.take(time.Now())
		x := s.newest(time.Time{}, 1)[0]
		x.all.addTo(&server)
		for i := range x.models {
			x.models[i].addTo(&models)
		}
	}
	const all = workers * each
	for what, sum := range map[string]*totals{"the server": &server, "its models": &models} {
		f := sum.since(new(totals))
		v := f.view(queueSample{})
		if v.Requests != (outcomesView{all / 5, all / 5, all / 5, all / 5, all / 5}) || v.Images != all || v.Rejected["deadline"] != all {
			t.Errorf("of %d requests %s has %+v", all, what, v)
		}
		runs := uint64(0)
		for _, b := range v.Batches {
			runs += b.Count
		}
		if runs != all {
			t.Errorf("of %d runs %s has %d", all, what, runs)
		}
	}
}

func TestStatsParameters(t *testing.T) {
	h := open(t, Config{})
	for _, query := range []string{"?window=0", "?window=301", "?window=x", "?since=-1", "?since=", "?since=99999999999999999999"} {
		if r := h.do("GET", "/v1/stats"+query, "", nil); r.status != 400 || r.answer(t).Code != "bad_parameter" {
			t.Errorf("%s: got %d %s", query, r.status, r.body)
		}
	}
	if r := h.do("GET", "/v1/stats?since=9000000000000&window=300", "", nil); r.status != 200 || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v", r.status, r.header)
	}
}

func TestStatsWithoutModel(t *testing.T) {
	h := open(t, Config{Models: []Model{}})
	if r := h.do("POST", "/v1/classify", "image/png", redPNG); r.status != 503 {
		t.Fatal(r.status)
	}
	h.samples.take(time.Now())
	var v statsView
	if err := json.Unmarshal(h.do("GET", "/v1/stats", "", nil).body, &v); err != nil {
		t.Fatal(err)
	}
	if v.State != "loading" || len(v.Models) != 0 || len(v.Samples) != 1 || v.Samples[0].All.Requests.Refused != 1 || v.Samples[0].All.Rejected["loading"] != 1 {
		t.Errorf("got %+v", v)
	}
}

// A version that does not serve is there, with the reason, behind those that do.
func TestStatsOfAbsentModels(t *testing.T) {
	d := openDirect(t, Config{Models: []Model{colourModel("colours", "1")}, Repository: fakeRepository{}})
	defer d.Close()
	m := d.stats("").Models
	if len(m) < 2 || m[0].Name != "colours" || m[0].State != "ready" || m[0].Queue != nil {
		t.Fatalf("the models are %+v", m)
	}
	i := slices.IndexFunc(m, func(m modelStats) bool { return m.Name == "broken" })
	if i < 1 || m[i].State != "unavailable" || m[i].Reason == "" || m[i].Role != "" {
		t.Errorf("the models are %+v", m)
	}
	d.draining.Store(true)
	if v := d.stats(""); v.State != "draining" || v.Models[0].State != "draining" {
		t.Errorf("while it drains: %+v", v)
	}
}

func TestOutcomes(t *testing.T) {
	for status, want := range map[int]outcomeKind{
		200: outcomeOK, 304: outcomeOK, 400: outcomeClient, 415: outcomeClient, 499: outcomeClient, 429: outcomeRefused,
		503: outcomeRefused, 504: outcomeDeadline, 500: outcomeError, 501: outcomeError,
	} {
		if got := outcomeOf(status); got != want {
			t.Errorf("%d is %d; want %d", status, got, want)
		}
	}
	if got := public(errors.New("x")).status; outcomeOf(got) != outcomeError {
		t.Errorf("an inner error is %d", got)
	}
}
