package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/bench"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// BenchmarkOverload prints what is left of a server's capacity when twice as much is asked for: ResNet18 at 224 px, fp32, random
// weights, 500×375 photos over HTTP. The capacity is what 64 clients get that always wait for an answer; then requests arrive as they
// like, twice as many, each with a deadline. Both take turns on the same server.
//
//   - goodput/capacity: answers in time, a second, over that capacity
//   - in-time: the share of the requests that were not refused whose answers came by the deadline, counted from when they were due
//   - refusal-p99-ms: how long those waited who were refused, since they were sent
//   - sent-late-p99-ms: how late the client was, which shares the machine
func BenchmarkOverload(b *testing.B) {
	torchtest.Need(b)
	s := serveModel(b, "--models", writeModel(b, "resnet18", resnet.ImageNetStem, 1000, 224))
	for _, deadline := range []time.Duration{200 * time.Millisecond, time.Second} {
		b.Run(fmt.Sprint(deadline), func(b *testing.B) { benchmarkOverload(b, s.url, deadline) })
	}
}

func benchmarkOverload(b *testing.B, url string, deadline time.Duration) {
	const turn = 8 * time.Second
	load := func(l bench.Load, deadline time.Duration) *bench.Result {
		b.Helper()
		target, err := bench.Open(context.Background(), bench.Options{URL: url, Images: bench.Synthetic(16, 1), Deadline: deadline})
		require.NoError(b, err)
		defer target.Close()
		l.Warmup, l.Duration, l.Deadline = 2*time.Second, turn, deadline
		r, err := bench.Run(context.Background(), target, l)
		require.NoError(b, err)
		return r
	}
	var capacities, goodputs, inTime, refusals, late []float64
	for b.Loop() {
		capacity := load(bench.Load{Clients: 64}, 0)
		r := load(bench.Load{Rate: 2 * capacity.RequestsPerSecond, Seed: uint64(len(late))}, deadline)
		capacities = append(capacities, capacity.RequestsPerSecond)
		goodputs = append(goodputs, r.Goodput/capacity.RequestsPerSecond)
		inTime = append(inTime, r.InTime)
		late = append(late, r.Client.Lag.P99)
		if r.Refused.Service != nil {
			refusals = append(refusals, r.Refused.Service.P99)
		}
	}
	b.ReportMetric(median(capacities), "capacity-images/s")
	b.ReportMetric(median(goodputs), "goodput/capacity")
	b.ReportMetric(median(inTime), "in-time")
	b.ReportMetric(median(late), "sent-late-p99-ms")
	if len(refusals) > 0 {
		b.ReportMetric(median(refusals), "refusal-p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}
