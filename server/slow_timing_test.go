package server

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"
)

// BenchmarkSlowConnections is what 2,000 connections that send a byte now and then, in headers or in a body of 30 MiB, do to the
// others: their latency beside them, over their latency alone, in turns.
func BenchmarkSlowConnections(b *testing.B) {
	s, addr := openTCP(b, Config{HeaderTimeout: time.Minute})
	h := newHammer(addr, "/v1/classify", "", pngOf(picture(64, 64, red)))
	c := h.dial(b)
	defer c.Close()
	round := func() []time.Duration {
		took := make([]time.Duration, 3000)
		for i := range took {
			start := time.Now()
			if _, _, err := c.post(h.request); err != nil {
				b.Fatal(err)
			}
			took[i] = time.Since(start)
		}
		return took
	}
	var alone, beside []time.Duration
	round()
	for b.Loop() {
		alone = append(alone, round()...)
		end := drip(b, s, 2000)
		beside = append(beside, round()...)
		end()
	}
	quantile := func(d []time.Duration, q float64) time.Duration {
		slices.Sort(d)
		return d[int(q*float64(len(d)-1))]
	}
	for _, q := range []float64{0.5, 0.99} {
		a, w := quantile(alone, q), quantile(beside, q)
		b.ReportMetric(float64(a.Microseconds()), fmt.Sprintf("µs-alone-p%g", 100*q))
		b.ReportMetric(float64(w)/float64(a), fmt.Sprintf("beside/alone-p%g", 100*q))
	}
}

// drip opens slow connections, which end with the function returned.
func drip(b *testing.B, s *Server, n int) (end func()) {
	conns := make([]net.Conn, n)
	for i := range conns {
		nc, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		if i%2 == 0 {
			fmt.Fprint(nc, "POST /v1/classify HTTP/1.1\r\nX-A: ")
		} else {
			begin(b, nc, 30<<20, 10)
		}
		conns[i] = nc
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond): // each has one in ten seconds
				_, _ = conns[i%n].Write([]byte("a"))
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		for _, nc := range conns {
			_ = nc.Close()
		}
		for s.conns.count() > 1 {
			time.Sleep(time.Millisecond)
		}
	}
}
