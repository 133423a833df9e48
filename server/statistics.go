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
// started. They are sums only: quantiles are in the metrics.
type statistics struct {
	success, fail                sum
	queue, decode, inferenceTime sum
	hits, misses                 sum          // of the response cache
	last                         atomic.Int64 // milliseconds since 1970

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
func (s *statistics) request(took time.Duration, ok bool) {
	if ok {
		s.success.add(took)
	} else {
		s.fail.add(took)
	}
}

// image counts an image that was answered.
func (s *statistics) image(t timing) {
	s.queue.add(t.queue)
	s.decode.add(t.decode)
	s.inferenceTime.add(t.inference)
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
		Name: name, Version: version, LastInference: uint64(s.last.Load()), InferenceCount: s.inferenceTime.count.Load(),
		InferStats: oip.InferStatistics{
			Success: s.success.load(), Fail: s.fail.load(), Queue: s.queue.load(),
			ComputeInput: s.decode.load(), ComputeInfer: s.inferenceTime.load(),
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
