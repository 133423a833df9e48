//go:build !race

package bench

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
)

// What the load tool spends on a request is taken from the server where both share a machine.
func TestARequestCostsNoAllocation(t *testing.T) {
	listener := fasthttputil.NewInmemoryListener()
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("{}") }}
	go server.Serve(listener)
	defer listener.Close()
	target, err := Open(context.Background(), Options{URL: "http://server", Deadline: time.Second, Images: twoImages, Dial: listener.Dial})
	require.NoError(t, err)
	defer target.Close()
	sender := target.Sender()
	rec := newRecorder(time.Now().Add(-time.Second), time.Hour, time.Second)
	n := uint64(0)
	send := func() {
		begin := time.Now()
		reply := sender.Send(n, begin)
		rec.record(rec.shard(0), begin, begin, time.Now(), reply)
		n++
	}
	for range 100 {
		send()
	}
	// The server's own part is measured too; fasthttp has none.
	if got := testing.AllocsPerRun(500, send); got > 0 {
		t.Fatalf("a request costs %v allocations; want none", got)
	}
}
