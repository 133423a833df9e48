package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// openTCP is open on a loopback port, for what only a real socket shows.
func openTCP(t testing.TB, cfg Config) (*Server, string) {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	if cfg.Models == nil {
		cfg.Models = []Model{colourModel("colours", "1")}
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, s.Addr().String()
}

func TestRequestID(t *testing.T) {
	h := open(t, Config{})
	f := func(given string, kept bool) {
		t.Helper()
		req, _ := http.NewRequest("GET", "http://torchlit/healthz", nil)
		req.Header.Set("X-Request-Id", given)
		r, err := h.send(req)
		if err != nil {
			t.Fatal(err)
		}
		got := r.header.Get("X-Request-Id")
		if kept != (got == given) || !saneRequestID([]byte(got)) {
			t.Fatalf("given %q, got %q", given, got)
		}
	}
	f("a", true)
	f("0190a3c2-7f00-7000-8000-00000000000a", true)
	f("Root=1-67891233-abcdef012345678912345678", true)
	f("user@host:/path+1~x_y.z", true)
	f(strings.Repeat("x", 128), true)
	f(strings.Repeat("x", 129), false)
	f("", false)
	f("two words", false)
	f(`"quoted"`, false)
	f("<script>", false)
	f("ünïcode", false)
}

func TestProbesAndModels(t *testing.T) {
	h := open(t, Config{Models: []Model{}})
	f := func(method, path string, status int, parts ...string) {
		t.Helper()
		r := h.do(method, path, "", nil)
		if r.status != status || r.header.Get("X-Request-Id") == "" || r.header.Get("Server-Timing") == "" {
			t.Fatalf("%s: got %d %s %v; want %d", path, r.status, r.body, r.header, status)
		}
		if method == "GET" && !json.Valid(r.body) {
			t.Fatalf("%s: %q is not JSON", path, r.body)
		}
		for _, p := range parts {
			if !strings.Contains(string(r.body), p) {
				t.Fatalf("%s: %s lacks %s", path, r.body, p)
			}
		}
	}
	f("GET", "/healthz", 200, `"ok"`)
	f("GET", "/readyz", 503, `"code":"loading"`)
	f("GET", "/v1/models", 200, `"models":[]`)
	if r := h.do("POST", "/v1/classify", "", []byte("x")); r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Fatalf("got %d %s while loading; want 503", r.status, r.body)
	}

	if err := h.SetModels([]Model{colourModel("colours", "1"), colourModel("colours", "2")}); err != nil {
		t.Fatal(err)
	}
	f("GET", "/readyz", 200, `"ready"`)
	f("HEAD", "/readyz", 200)
	f("GET", "/v1/models", 200, `"default":"colours"`, `"versions":["1","2"]`, `"labels":["red","green","blue"]`,
		`"input":{"width":8,"height":8,"channels":3,"interpolation":"bilinear","crop_pct":1,"crop_mode":"center"`,
		`"precision":"fp32"`, `"device":"cpu"`, `"state":"ready"`, `"accuracy":1`)
	f("GET", "/v1/models/colours", 200, `"version":"2"`)
	f("GET", "/v1/models/dogs", 404, `"code":"model_not_found"`, "colours")
	f("POST", "/healthz", 405, "GET, HEAD")
	if r := h.do("DELETE", "/v1/classify", "", nil); r.status != 405 || r.header.Get("Allow") != "OPTIONS, POST" {
		t.Fatalf("got %d, Allow %q", r.status, r.header.Get("Allow"))
	}
	if r := h.do("OPTIONS", "/v1/classify", "", nil); r.status != 204 || r.header.Get("Allow") != "OPTIONS, POST" {
		t.Fatalf("got %d, Allow %q", r.status, r.header.Get("Allow"))
	}
}

func TestOpenRefuses(t *testing.T) {
	f := func(want string, cfg Config) {
		t.Helper()
		s, err := Open(cfg)
		if err == nil {
			_ = s.Close()
			t.Fatalf("opened; want an error with %q", want)
		}
		if !strings.Contains(err.Error(), want) {
			t.Fatalf("got %q; want %q in it", err, want)
		}
	}
	with := func(change func(*Model)) Config {
		m := colourModel("colours", "1")
		change(&m)
		return Config{Models: []Model{m}}
	}
	f("MaxBodyBytes", Config{MaxBodyBytes: -1})
	f("IdleTimeout", Config{IdleTimeout: -time.Second})
	f("DefaultTimeout", Config{DefaultTimeout: time.Hour, MaxTimeout: time.Minute})
	f("rename its folder", with(func(m *Model) { m.Name = "a/b" }))
	f("label_names", with(func(m *Model) { m.Labels = nil }))
	f("config.json", with(func(m *Model) { m.Preprocess.Width = 0 }))
	f("twice", Config{Models: []Model{colourModel("a", "1"), colourModel("a", "")}})
}

func TestStartRefusesATakenPort(t *testing.T) {
	_, addr := openTCP(t, Config{})
	s, err := Open(Config{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), "--addr") {
		t.Fatalf("got %v; want advice", err)
	}
}

// What fasthttp cannot read is answered in JSON too, with the usual headers.
func TestUnreadableRequests(t *testing.T) {
	_, addr := openTCP(t, Config{MaxBodyBytes: 1 << 20, ReadTimeout: 100 * time.Millisecond})
	f := func(request string, status int, code string) {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var a answer
		if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != status || a.Code != code || resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("Server-Timing") == "" {
			t.Fatalf("got %d %+v %v; want %d %s", resp.StatusCode, a, resp.Header, status, code)
		}
	}
	f("HELLO\r\n\r\n", 400, "bad_request")
	f("POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\nabc", 413, "body_too_large")
	f("GET / HTTP/1.1\r\nHost: x\r\nX-Big: "+strings.Repeat("a", 20<<10)+"\r\n\r\n", 431, "headers_too_large")
	f("POST /v1/classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400, "bad_request")
	f("POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", 408, "request_timeout") // and never the rest
}

// A request that comes byte by byte has as long as one that stops, and a connection on which nothing comes any more is closed. One that
// is used is not.
func TestConnectionTimeouts(t *testing.T) {
	_, addr := openTCP(t, Config{ReadTimeout: 300 * time.Millisecond, IdleTimeout: 300 * time.Millisecond})
	dial := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c, bufio.NewReader(c)
	}
	c, in := dial()
	for range 5 {
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		io.Copy(io.Discard, resp.Body)
		time.Sleep(100 * time.Millisecond) // longer than both timeouts, in all
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("a connection that is idle ends with %v", err)
	}
	_, in = dial()
	if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 408 {
		t.Errorf("a connection on which nothing ever comes gets %v %v; want 408", resp, err)
	}
	c, in = dial()
	fmt.Fprintf(c, "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
	go func() {
		for range 1000 {
			if _, err := c.Write([]byte("a")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 408 {
		t.Errorf("a request that comes byte by byte gets %v %v; want 408", resp, err)
	}
}

// A client that is still sending a body which is refused gets to read why.
func TestLargeUploadIsToldWhy(t *testing.T) {
	_, addr := openTCP(t, Config{MaxBodyBytes: 1 << 20})
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	for range 5 {
		resp, err := (&http.Client{Transport: tr}).Post("http://"+addr+"/v1/classify", "image/jpeg", bytes.NewReader(make([]byte, 20<<20)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Fatalf("got %d; want 413", resp.StatusCode)
		}
	}
}

func TestMaxConns(t *testing.T) {
	s, addr := openTCP(t, Config{MaxConns: 1})
	first, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	for s.conns.nudgeIdle() == 0 { // until it is accepted
		time.Sleep(time.Millisecond)
	}
	second, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	resp, err := http.ReadResponse(bufio.NewReader(second), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("got %d %v; want 503", resp.StatusCode, resp.Header)
	}
}

func TestRequestLog(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	m := colourModel("colours", "1")
	m.Infer = nil
	g := newGate()
	m.Infer = g.classify
	h := open(t, Config{Logger: zap.New(core), Models: []Model{m}, SlowRequest: time.Nanosecond})
	h.do("POST", "/v1/classify?timeout_ms=5", "", pngOf(picture(8, 8, red)))
	found := logs.FilterMessage("slow request").All()
	if len(found) != 1 {
		t.Fatalf("got %v", logs.All())
	}
	fields := found[0].ContextMap()
	for _, name := range []string{"request_id", "method", "path", "status", "decode", "queue", "inference", "total", "model", "error"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("the log lacks %s: %v", name, fields)
		}
	}
}
