package server

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
)

// lines is what an access log wrote.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *lines) take(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for line := range strings.Lines(l.String()) {
		m := map[string]any{}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		all = append(all, m)
	}
	l.Reset()
	return all
}

func TestAccessLog(t *testing.T) {
	var out lines
	h := open(t, Config{AccessLog: NewAccessLog(zapcore.AddSync(&out), 0, 0), CacheBytes: 1 << 20})
	r := h.do("POST", "/v1/classify?api_key=secret", "image/png", redPNG)
	got := out.take(t)
	if len(got) != 1 {
		t.Fatalf("%d lines for one request", len(got))
	}
	m := got[0]
	for key, want := range map[string]any{
		"request_id": r.header.Get("X-Request-Id"), "method": "POST", "path": "/v1/classify", "status": 200.,
		"bytes_in": float64(len(redPNG)), "bytes_out": float64(len(r.body)), "model": "colours", "version": "1", "images": 1., "batch_size": 1.,
		"user_agent": "Go-http-client/1.1", "inference_ms": 1., "cache": "miss",
	} {
		if m[key] != want {
			t.Errorf("%s is %v; want %v", key, m[key], want)
		}
	}
	if at, err := time.Parse(time.RFC3339, m["time"].(string)); err != nil || time.Since(at) > time.Minute {
		t.Errorf("time %v: %v", m["time"], err)
	}
	for _, key := range []string{"client", "decode_ms", "queue_ms", "total_ms"} {
		if _, ok := m[key]; !ok {
			t.Errorf("no %s in %v", key, m)
		}
	}
	ct, body := form(nil, redPNG, []byte("no image"))
	h.do("POST", "/v1/classify", ct, body)
	h.do("POST", "/v1/classify", "", []byte("no image"))
	h.do("GET", "/"+strings.Repeat("x", 1000), "", nil)
	got = out.take(t)
	if got[0]["images"] != 2. || got[0]["error"] != "not_an_image" || got[0]["status"] != 200. || got[1]["error"] != "not_an_image" || got[1]["status"] != 415. {
		t.Errorf("got %v", got[:2])
	}
	if n := len(got[2]["path"].(string)); n != longestText {
		t.Errorf("a path of %d bytes", n)
	}
}

// The first of a second, then each so many; what failed or was slow always.
func TestAccessLogSampling(t *testing.T) {
	var out lines
	l := NewAccessLog(zapcore.AddSync(&out), 3, 10)
	start := time.Now().Truncate(time.Second)
	note := func(n, status int, total time.Duration) int {
		for range n {
			ex := &exchange{id: "x", start: start}
			ex.timing.total = total
			l.note(nil, ex, status, time.Second)
		}
		return len(out.take(t))
	}
	f := func(got, want int) {
		t.Helper()
		if got != want {
			t.Fatalf("%d lines; want %d", got, want)
		}
	}
	f(note(103, 200, time.Millisecond), 13)
	f(note(50, 503, time.Millisecond), 50)
	f(note(50, 200, 2*time.Second), 50)
	start = start.Add(2 * time.Second)
	f(note(3, 200, time.Millisecond), 3)
}
