//go:build linux || darwin

package server

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching"
)

// A client that closes its connection while its request waits ends the request.
func TestClientGone(t *testing.T) {
	t.Run("v1", func(t *testing.T) { clientGone(t, "/v1/classify", "X-None") })
	t.Run("v2", func(t *testing.T) { clientGone(t, "/v2/models/colours/infer", "Inference-Header-Content-Length") })
}

func clientGone(t *testing.T, path, header string) {
	left := make(chan error, 1)
	entered := make(chan struct{})
	m := colourModel("colours", "1")
	m.Infer = func(ctx context.Context, _ []byte, _ batching.Priority) (batching.Result[[]float32], error) {
		close(entered)
		<-ctx.Done()
		left <- context.Cause(ctx)
		return batching.Result[[]float32]{}, ctx.Err()
	}
	s, addr := openTCP(t, Config{Models: []Model{m}})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	img := pngOf(picture(8, 8, red))
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\n%s: 0\r\nContent-Length: %d\r\n\r\n%s", path, header, len(img), img); err != nil {
		t.Fatal(err)
	}
	<-entered
	_ = c.Close()
	select {
	case cause := <-left:
		if cause != errClientGone {
			t.Fatalf("ended by %v; want %v", cause, errClientGone)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the request still runs")
	}
	if err := s.Drain(context.Background()); err != nil { // so that it is counted
		t.Fatal(err)
	}
	text := gathered(t, s)
	for _, line := range []string{
		`torchlit_rejected_total{model="colours",reason="client_gone",version="1"} 1`,
		`torchlit_requests_total{code="499",model="colours",version="1"} 1`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("metrics lack %s:\n%s", line, text)
		}
	}
}

// A client that waits, and one that has sent its next request already, are left alone.
func TestWatcherSparesThoseWhoWait(t *testing.T) {
	set := connsOf(1024)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accept := func() (net.Conn, *conn) {
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
	var look peeker
	client, c := accept()
	defer c.Close()
	if look.gone(c.raw) {
		t.Fatal("a client that waits counts as gone")
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if look.gone(c.raw) {
		t.Fatal("a client that pipelines counts as gone")
	}
	var b [1]byte
	if n, _ := c.Read(b[:]); n != 1 || b[0] != 'x' {
		t.Fatal("looking took the byte away")
	}
	_ = client.Close()
	for range 1000 { // the loopback needs a moment
		if look.gone(c.raw) {
			_ = c.Conn.Close()
			if !look.gone(c.raw) {
				t.Fatal("a closed connection does not count as gone")
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("a client that left does not count as gone")
}

// gathered is what /metrics would show.
func gathered(t *testing.T, s *Server) string {
	t.Helper()
	families, err := s.cfg.Metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, f := range families {
		for _, m := range f.Metric {
			if m.Counter == nil {
				continue
			}
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			fmt.Fprintf(&out, "%s{%s} %v\n", f.GetName(), strings.Join(labels, ","), m.Counter.GetValue())
		}
	}
	return out.String()
}
