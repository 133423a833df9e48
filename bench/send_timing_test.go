package bench

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

// BenchmarkSend is the way of one request after the other with 50 KB over loopback HTTP to a server that does nothing, in the same process.
func BenchmarkSend(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("{}") }}
	go server.Serve(listener)
	defer listener.Close()
	target, err := Open(context.Background(), Options{URL: listener.Addr().String(), Images: Synthetic(4, 1), Deadline: time.Second})
	require.NoError(b, err)
	defer target.Close()
	sender := target.Sender()
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		if reply := sender.Send(n, time.Now()); reply.Outcome != Answered {
			b.Fatal(reply)
		}
		n++
	}
}

// BenchmarkRecord is what it takes to note one request, by many at once.
func BenchmarkRecord(b *testing.B) {
	rec := newRecorder(time.Now().Add(-time.Minute), time.Hour, time.Second)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		s := rec.shard(1)
		for pb.Next() {
			now := time.Now()
			rec.record(s, now.Add(-3*time.Millisecond), now.Add(-2*time.Millisecond), now, Reply{Images: 1})
		}
	})
}
