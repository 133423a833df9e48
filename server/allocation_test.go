//go:build !race

package server

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
)

// maxAllocs is what one classification may allocate from the parsed request to the reply, image decoding excepted: the bookkeeping,
// an id, a context with a deadline and its timer, a watch, the probabilities and the list of the best. Nothing in it grows with the image.
const maxAllocs = 20

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

// fakeConn is a connection that nobody reads.
type fakeConn struct{ net.Conn }

func (fakeConn) RemoteAddr() net.Addr        { return &net.TCPAddr{} }
func (fakeConn) LocalAddr() net.Addr         { return &net.TCPAddr{} }
func (fakeConn) Read([]byte) (int, error)    { return 0, io.EOF }
func (fakeConn) Write(b []byte) (int, error) { return len(b), nil }

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
