package server

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/torchlit/torchlit/batching"
)

// sleeper is a model that takes as long as ResNet18 takes on two cores, but leaves them alone: what it cannot answer in time is the server's
// doing, not the machine's.
type sleeper struct{}

func sleeperCost(n int) time.Duration {
	return 2*time.Millisecond + time.Duration(n)*8*time.Millisecond
}

func (sleeper) Run(in [][]byte, out [][]float32) error {
	time.Sleep(sleeperCost(len(in)))
	for i := range out {
		out[i] = []float32{.5, .3, .2}
	}
	return nil
}

func (sleeper) Close() {}

// BenchmarkOverload asks a server for twice what its model can give, in an open loop with a deadline of a second, over loopback. It prints what
// was answered in time, as a share of the capacity; the share of those let in that was; and how long refusals took, as clients saw it.
// The computing itself takes no processor: make bench-overload measures with a model that does.
func BenchmarkOverload(b *testing.B) {
	const (
		maxBatch = 32
		deadline = time.Second
		lasts    = 5 * time.Second
	)
	batcher, err := batching.Open(batching.Config[[]byte, []float32]{
		NewRunner: func(int) (batching.Runner[[]byte, []float32], error) { return sleeper{}, nil },
		MaxBatch:  maxBatch, LatencyTarget: deadline, Cost: sleeperCost,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer batcher.Close()
	m := nullModel()
	m.MaxBatch, m.Infer, m.Refusal = maxBatch, batcher.DoPriority, batcher.Refusal
	s, err := Open(Config{Models: []Model{m}, Logger: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ln := loopback(b)
	go s.Serve(ln)
	url := "http://" + ln.Addr().String() + "/v1/classify?timeout_ms=1000"
	capacity := maxBatch / sleeperCost(maxBatch).Seconds()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}}
	defer client.CloseIdleConnections()

	var mu sync.Mutex
	var inTime, late int
	var refusals []float64 // ms
	ask := func(ctx context.Context, at time.Time, count bool) {
		req, _ := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(smallRequests[1].body))
		resp, err := client.Do(req)
		if err != nil {
			b.Error(err)
			return
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		took := time.Since(at)
		if !count {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case resp.StatusCode == http.StatusServiceUnavailable:
			refusals = append(refusals, float64(took.Microseconds())/1000)
		case resp.StatusCode == http.StatusOK && took <= deadline:
			inTime++
		default:
			late++
		}
	}
	var counted time.Duration
	for b.Loop() {
		var wg sync.WaitGroup
		start := time.Now()
		warm := start.Add(deadline) // until then the queue fills
		for at := start; at.Before(warm.Add(lasts)); at = at.Add(time.Duration(rand.ExpFloat64() / (2 * capacity) * float64(time.Second))) {
			time.Sleep(time.Until(at))
			wg.Go(func() { ask(b.Context(), at, at.After(warm)) })
		}
		wg.Wait()
		counted += lasts
	}
	slices.Sort(refusals)
	b.ReportMetric(float64(inTime)/counted.Seconds()/capacity, "goodput")
	b.ReportMetric(float64(inTime)/float64(max(inTime+late, 1)), "in-time")
	if n := len(refusals); n > 0 {
		b.ReportMetric(refusals[n/2], "refusal-p50-ms")
		b.ReportMetric(refusals[n*99/100], "refusal-p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}
