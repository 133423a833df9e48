package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching"
)

func TestClassifiedBy(t *testing.T) {
	f := func(path, name, version string, ok bool) {
		t.Helper()
		if n, v, o := classifiedBy(path); n != name || v != version || o != ok {
			t.Errorf("%s: got %q %q %v", path, n, v, o)
		}
	}
	f("/v1/classify", "", "", true)
	f("/v1/models/cats/classify", "cats", "", true)
	f("/v1/models/cats/versions/2/classify", "cats", "2", true)
	f("/v2/models/cats/infer", "cats", "", true)
	f("/v2/models/cats/versions/2/infer", "cats", "2", true)
	f("/v1/models/cats/traffic", "", "", false)
	f("/v1/models/cats/infer", "", "", false)
	f("/v2/models/cats/classify", "", "", false)
	f("/v2/models/cats/version/2/infer", "", "", false)
	f("/v2/models/cats/versions/2/3/infer", "", "", false)
	f("/v2/repository/models/cats/load", "", "", false)
	f("/", "", "", false)
	f("", "", "", false)
}

// A body that would be sent in vain is not sent by who asks first.
func TestExpectContinue(t *testing.T) {
	var refuse atomic.Pointer[batching.RetryError]
	left := make(chan time.Duration, 1)
	m := colourModel("colours", "1")
	m.Holds = NewHolds()
	m.Refusal = func(ctx context.Context, _ batching.Priority, _ int, _ time.Duration) error {
		if e := refuse.Load(); e != nil {
			deadline, _ := ctx.Deadline()
			left <- time.Until(deadline)
			return e
		}
		return nil
	}
	_, addr := openTCP(t, Config{Models: []Model{m}, MaxBodyBytes: 4 << 20})
	tr := &http.Transport{ExpectContinueTimeout: time.Minute}
	defer tr.CloseIdleConnections()
	photo := append(pngOf(picture(20, 20, red)), make([]byte, 2<<20)...) // what follows a picture is passed over
	f := func(method, path string, size int, status int, says string) {
		t.Helper()
		body := &countedReader{r: bytes.NewReader(append(photo, make([]byte, max(0, size-len(photo)))...))}
		req, _ := http.NewRequest(method, "http://"+addr+path, body)
		req.ContentLength = int64(max(len(photo), size))
		req.Header.Set("Expect", "100-continue")
		req.Header.Set("X-Request-Id", "asked-first")
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status || !strings.Contains(string(text), says) || resp.Header.Get("X-Request-Id") != "asked-first" || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: got %d %v %s", method, path, resp.StatusCode, resp.Header, text)
		}
		if n := body.n.Load(); (n == 0) != (status == 404 || status == 413 || status == 503) {
			t.Errorf("%s %s: %d bytes were sent for a %d", method, path, n, status)
		}
		if status == 503 && resp.Header.Get("Retry-After") != "7" {
			t.Errorf("got %v", resp.Header)
		}
	}
	f("POST", "/v1/classify", 0, 200, `"label":"red"`)
	f("POST", "/v1/models/cars/classify", 0, 404, `"code":"model_not_found"`)
	f("POST", "/v1/models/colours/versions/8/classify", 0, 404, `"code":"version_not_found"`)
	f("POST", "/v1/classify", 5<<20, 413, `"code":"body_too_large"`)
	f("PUT", "/v1/classify", 0, 405, `"code":"method_not_allowed"`) // said by the handler
	refuse.Store(&batching.RetryError{Reason: batching.ErrQueueFull, RetryAfter: 7 * time.Second})
	f("POST", "/v1/classify?timeout_ms=60000", 0, 503, `"code":"queue_full"`)
	if d := <-left; d > time.Minute || d < 31*time.Second {
		t.Errorf("asked with %s left", d)
	}
	f("POST", "/v2/models/colours/infer", 0, 503, `"code":"queue_full"`)
	if d := <-left; d > 30*time.Second {
		t.Errorf("asked with %s left", d)
	}
	m.Holds.LetGo()
	select {
	case <-m.Holds.Released():
	case <-time.After(10 * time.Second):
		t.Error("a refused request holds its model for ever")
	}
}

// countedReader counts what is read of it.
type countedReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// TestLingerIsOver: a connection whose request had a body that nobody wanted, of which fasthttp read the rest, is closed like any other
// when its time has come: a lingering close would swallow what comes in that moment.
func TestLingerIsOver(t *testing.T) {
	s, _ := openTCP(t, Config{})
	nc := dialTo(t, s)
	fmt.Fprint(nc, "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
	wantCode(t, replyOn(t, nc), 404, "not_found")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		s.conns.mu.Lock()
		open, lingers := len(s.conns.open), false
		for c := range s.conns.open {
			lingers = lingers || c.linger.Load()
		}
		s.conns.mu.Unlock()
		if open == 1 && !lingers {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d connections one would linger", open)
		}
	}
}
