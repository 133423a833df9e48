package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/torchlit/torchlit/batching"
)

// Sixteen clients post without pause over loopback TCP, half of them on connections they keep, half on one for each
// request, while the server drains. Whatever it began to answer must have reached its client.
func TestDrainLosesNothingUnderLoad(t *testing.T) {
	for _, grace := range []time.Duration{0, 50 * time.Millisecond} {
		t.Run(grace.String(), func(t *testing.T) { drainUnderLoad(t, grace) })
	}
}

func drainUnderLoad(t *testing.T, grace time.Duration) {
	core, logs := observer.New(zap.DebugLevel)
	m := colourModel("colours", "1")
	m.Infer = func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
		time.Sleep(2 * time.Millisecond) // work, so that requests are under way at any moment
		return byColour(ctx, pixels, p)
	}
	s, addr := openTCP(t, Config{Models: []Model{m}, DrainGrace: grace, Logger: zap.New(core)})

	img := pngOf(picture(8, 8, red))
	var good, refused, unseen atomic.Int64
	var began sync.WaitGroup
	var clients sync.WaitGroup
	var failed sync.Map // request id → error
	const n = 16
	began.Add(n)
	for i := range n {
		clients.Go(func() {
			tr := &http.Transport{DisableKeepAlives: i%2 == 1}
			defer tr.CloseIdleConnections()
			var once sync.Once
			defer once.Do(began.Done)
			for k := 0; ; k++ {
				id := fmt.Sprintf("client-%d-%d", i, k)
				req, _ := http.NewRequest("POST", "http://"+addr+"/v1/classify", bytes.NewReader(img))
				req.GetBody = nil // or the transport would repeat a lost request by itself
				req.Header.Set("X-Request-Id", id)
				resp, err := tr.RoundTrip(req)
				if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
					refused.Add(1) // nothing was sent
					return
				}
				if err != nil {
					failed.Store(id, err)
					return
				}
				_, err = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != 200 {
					failed.Store(id, fmt.Errorf("status %d, %v", resp.StatusCode, err))
					return
				}
				good.Add(1)
				if k == 20 {
					once.Do(began.Done)
				}
			}
		})
	}
	began.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	clients.Wait()

	seen := map[string]bool{}
	for _, e := range logs.FilterMessage("request").All() {
		seen[e.ContextMap()["request_id"].(string)] = true
	}
	failed.Range(func(id, err any) bool {
		if seen[id.(string)] {
			t.Errorf("request %s was accepted and lost: %v", id, err)
		} else {
			unseen.Add(1)
			t.Logf("request %s never reached the server: %v", id, err)
		}
		return true
	})
	if int(good.Load()) != len(seen) {
		t.Errorf("%d requests were answered, %d answers arrived", len(seen), good.Load())
	}
	t.Logf("%d answered, %d refused connections, %d cut off before they were accepted", good.Load(), refused.Load(), unseen.Load())
	// Between the last look at the backlog and the close of the listener lie a few microseconds, or milliseconds
	// where the machine is busy with other programs: on this side of the promise a few may be cut off, not most.
	if runtime.GOOS != "windows" && unseen.Load() > n/2 {
		t.Errorf("%d of %d clients were cut off instead of refused", unseen.Load(), n)
	}
}

// From the first moment of a drain readiness is off, yet requests are served, and each reply ends its connection.
func TestDrainGrace(t *testing.T) {
	h := open(t, Config{DrainGrace: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	drained := make(chan error)
	go func() { drained <- h.Drain(ctx) }()
	for h.Ready() {
		time.Sleep(time.Millisecond)
	}
	r := h.do("GET", "/readyz", "", nil)
	if a := r.answer(t); r.status != 503 || a.Code != "draining" || r.header.Get("Retry-After") == "" {
		t.Fatalf("got %d %s; want 503", r.status, r.body)
	}
	r = h.do("POST", "/v1/classify", "", pngOf(picture(8, 8, red)))
	if r.status != 200 {
		t.Fatalf("got %d %s; want 200", r.status, r.body)
	}
	if !strings.Contains(string(h.do("GET", "/v1/models", "", nil).body), `"state":"draining"`) {
		t.Fatal("the model's state is not draining")
	}
	cancel() // ends the grace, and, as nothing is open, the drain
	if err := <-drained; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := h.Serve(fasthttputil.NewInmemoryListener()); err == nil {
		t.Fatal("a drained server serves again")
	}
}

// A drain waits for a request that is under way, and no longer than its context.
func TestDrainWaitsForRequests(t *testing.T) {
	g := newGate()
	m := colourModel("colours", "1")
	m.Infer = g.classify
	s, addr := openTCP(t, Config{Models: []Model{m}})
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	status := make(chan int, 1)
	go func() {
		resp, err := (&http.Client{Transport: tr}).Post("http://"+addr+"/v1/classify", "", bytes.NewReader(pngOf(picture(8, 8, red))))
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		_ = resp.Body.Close()
		if !resp.Close {
			t.Error("the reply leaves the connection open")
		}
		status <- resp.StatusCode
	}()
	<-g.entered

	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v; want the deadline", err)
	}
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("got %v; want a refused connection", err)
	}
	close(g.pass)
	if err := s.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := <-status; got != 200 {
		t.Fatalf("got %d; want 200", got)
	}
}

// A request that arrives on a kept connection at the very moment at which a drain closes it is served.
func TestNudgedConnectionTakesALastLook(t *testing.T) {
	set := connsOf(8)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dial := func() (client net.Conn, c *conn) {
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return client, plain(set, nc)
	}
	client, c := dial()
	defer client.Close()
	defer c.Close()
	c.nudge()
	if _, err := client.Write([]byte("GET")); err != nil {
		t.Fatal(err)
	}
	var b [8]byte
	if n, err := c.Read(b[:]); err != nil || string(b[:n]) != "GET" {
		t.Fatalf("got %q, %v; want GET", b[:n], err)
	}
	silent, d := dial()
	defer silent.Close()
	defer d.Close()
	d.nudge()
	if n, err := d.Read(b[:]); err != io.EOF {
		t.Fatalf("got %q, %v; want EOF", b[:n], err)
	}
}

// Close ends waiting requests instead of waiting for them.
func TestCloseCutsOff(t *testing.T) {
	g := newGate()
	m := colourModel("colours", "1")
	m.Infer = g.classify
	s, addr := openTCP(t, Config{Models: []Model{m}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tr := &http.Transport{}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Post("http://"+addr+"/v1/classify", "", bytes.NewReader(pngOf(picture(8, 8, red))))
		if err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-g.entered
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
}
