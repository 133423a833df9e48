package main

import (
	"context"
	"math/rand/v2"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// withKept makes a context that notes whether the request went on a connection that had served one before.
func withKept(ctx context.Context) (context.Context, *atomic.Bool) {
	kept := new(atomic.Bool)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { kept.Store(i.Reused) }}), kept
}

// drains starts the server with the bundled model n times, loads it with all kinds of requests, and sends SIGTERM at a random moment,
// with a random grace time, none included. Each time it must end with 0 within the grace time and what the requests take, and lose none.
func drains(t *testing.T, n int) {
	torchtest.Need(t)
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	var sum tally
	var slowest time.Duration
	for i := range n {
		grace := []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond}[rng.IntN(3)]
		s := serveModel(t, "--grpc-addr", "127.0.0.1:0", "--drain-grace", grace.String(), "--max-batch-size", "4", "--drain-timeout", "20s")
		ctx, cancel := context.WithCancel(t.Context())
		c, wg := load(ctx, t, s.url, s.grpc, 12, false)
		for begun := time.Now(); c.answered.Load() < 12; time.Sleep(time.Millisecond) {
			require.Less(t, time.Since(begun), time.Minute, "no answers: %s", c)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(200 * time.Millisecond))))
		begun := time.Now()
		require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
		s.cmd = nil
		select {
		case err := <-s.done:
			require.NoError(t, err, "drain %d of seed %d:\n%s", i, seed, s.log)
		case <-time.After(time.Minute):
			t.Fatalf("drain %d of seed %d does not end:\n%s", i, seed, s.log)
		}
		slowest = max(slowest, time.Since(begun)-grace)
		wg.Wait()
		cancel()
		assert.Zero(t, c.lost.Load(), "drain %d of seed %d, grace %s: %s %q", i, seed, grace, c, c.complaint)
		if c.unread.Load()+c.crossed.Load() > 0 {
			t.Logf("drain %d of seed %d, grace %s: %s %q", i, seed, grace, c, c.complaint)
		}
		sum.answered.Add(c.answered.Load())
		sum.notReady.Add(c.notReady.Load())
		sum.refused.Add(c.refused.Load())
		sum.unread.Add(c.unread.Load())
		sum.crossed.Add(c.crossed.Load())
		sum.lost.Add(c.lost.Load())
	}
	// The kernel resets who connects between the last look at the backlog and the close: none of these was accepted.
	assert.LessOrEqual(t, sum.unread.Load()+sum.crossed.Load(), int64(max(2, n/10)), &sum)
	t.Logf("%d drains: %s; the slowest took %s beyond its grace time", n, &sum, slowest.Round(time.Millisecond))
}

func TestDrainAtRandomMoments(t *testing.T) { drains(t, 6) }
