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

// statistics count one version of one model since the server was started: its requests in the tally, and what is counted
// by image or by batch.
type statistics struct {
	tally
	hits, misses sum           // of the response cache
	shared       atomic.Uint64 // images that got another request's answer

	batchMu sync.Mutex
	batches map[int]*oip.Duration // runs by size
}

// statistics returns those of a model. The same names give the same ones.
func (m *Metrics) statistics(name, version string) *statistics {
	id := [2]string{name, version}
	s, ok := m.stats.Load(id)
	if !ok {
		s, _ = m.stats.LoadOrStore(id, &statistics{tally: tally{shards: newShards()}})
	}
	return s.(*statistics)
}

// sum counts and adds up durations.
type sum struct{ count, ns atomic.Uint64 }

func (s *sum) add(d time.Duration) {
	s.count.Add(1)
	s.ns.Add(uint64(max(d, 0)))
}

func (s *sum) load() oip.Duration { return oip.Duration{Count: s.count.Load(), NS: s.ns.Load()} }

// batch counts a run.
func (s *statistics) batch(b batching.Batch) {
	s.batchMu.Lock()
	defer s.batchMu.Unlock()
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

// snapshot is what the protocol's statistics extension asks for. They are sums only: quantiles are in the metrics.
func (s *statistics) snapshot(name, version string) oip.ModelStatistics {
	r := s.sum()
	st := oip.ModelStatistics{
		Name: name, Version: version, LastInference: uint64(r.last), InferenceCount: r.images,
		InferStats: oip.InferStatistics{
			Success: r.success, Fail: r.fail, Queue: r.queues, ComputeInput: r.inputs, ComputeInfer: r.inferences, ComputeOutput: r.output,
			CacheHit: s.hits.load(), CacheMiss: s.misses.load(),
		},
		BatchStats: []oip.BatchStatistics{},
	}
	s.batchMu.Lock()
	defer s.batchMu.Unlock()
	for _, size := range slices.Sorted(maps.Keys(s.batches)) {
		d := s.batches[size]
		st.ExecutionCount += d.Count
		st.BatchStats = append(st.BatchStats, oip.BatchStatistics{BatchSize: uint64(size), ComputeInfer: *d})
	}
	return st
}
