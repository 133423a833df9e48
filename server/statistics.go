package server

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/server/oip"
)

// statistics count what the protocol's statistics extension asks for, of one version of one model since the server was
// started. They are sums only: quantiles are in the metrics. The times are those of requests, not of images, as in Triton: a
// client that divides them by the number of requests gets what a request waited for. Of the images of one request the slowest
// counts.
type statistics struct {
	success, fail               sum
	queue, input, infer, output sum           // of requests that the model answered
	hits, misses                sum           // of the response cache
	images                      atomic.Uint64 // that the model answered
	shared                      atomic.Uint64 // images that got another request's answer
	last                        atomic.Int64  // milliseconds since 1970
	tally                       tally

	mu      sync.Mutex
	batches map[int]*oip.Duration // runs by size
}

// statistics returns those of a model. The same names give the same ones.
func (m *Metrics) statistics(name, version string) *statistics {
	s, _ := m.stats.LoadOrStore([2]string{name, version}, new(statistics))
	return s.(*statistics)
}

// sum counts and adds up durations.
type sum struct{ count, ns atomic.Uint64 }

func (s *sum) add(d time.Duration) {
	s.count.Add(1)
	s.ns.Add(uint64(max(d, 0)))
}

func (s *sum) load() oip.Duration { return oip.Duration{Count: s.count.Load(), NS: s.ns.Load()} }

// request counts a request.
func (s *statistics) request(ex *exchange, ok bool) {
	if !ok {
		s.fail.add(ex.timing.total)
		return
	}
	s.success.add(ex.timing.total)
	if ex.timing.cacheUse == cacheHit || ex.images == 0 {
		return // the model had no part in it
	}
	s.queue.add(ex.timing.queue)
	s.input.add(ex.timing.decode)
	s.infer.add(ex.timing.inference)
	if ex.answered > 0 {
		s.output.add(ex.timing.total - ex.answered)
	}
}

// image counts an image that the model answered.
func (s *statistics) image() {
	s.images.Add(1)
	s.last.Store(time.Now().UnixMilli())
}

// batch counts a run.
func (s *statistics) batch(b batching.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.batches == nil {
		s.batches = map[int]*oip.Duration{}
	}
	d := s.batches[b.Size]
	if d == nil {
		d = new(oip.Duration)
		s.batches[b.Size] = d
	}
	d.Count++
	d.NS += uint64(b.Run)
}

func (s *statistics) snapshot(name, version string) oip.ModelStatistics {
	st := oip.ModelStatistics{
		Name: name, Version: version, LastInference: uint64(s.last.Load()), InferenceCount: s.images.Load(),
		InferStats: oip.InferStatistics{
			Success: s.success.load(), Fail: s.fail.load(), Queue: s.queue.load(),
			ComputeInput: s.input.load(), ComputeInfer: s.infer.load(), ComputeOutput: s.output.load(),
			CacheHit: s.hits.load(), CacheMiss: s.misses.load(),
		},
		BatchStats: []oip.BatchStatistics{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, size := range slices.Sorted(maps.Keys(s.batches)) {
		d := s.batches[size]
		st.ExecutionCount += d.Count
		st.BatchStats = append(st.BatchStats, oip.BatchStatistics{BatchSize: uint64(size), ComputeInfer: *d})
	}
	return st
}
