package predict

import (
	"slices"
	"time"
)

// costTable holds measured times of batches, by rising size.
type costTable []costPoint

type costPoint struct {
	n    int
	took time.Duration
}

// of interpolates between the two measured sizes around n, and beyond the last
// one goes on in proportion.
func (t costTable) of(n int) time.Duration {
	if len(t) == 0 || n < 1 {
		return 0
	}
	for i, p := range t {
		if n > p.n {
			continue
		}
		if i == 0 {
			return p.took
		}
		before := t[i-1]
		return before.took + (p.took-before.took)*time.Duration(n-before.n)/time.Duration(p.n-before.n)
	}
	last := t[len(t)-1]
	return last.took * time.Duration(n) / time.Duration(last.n)
}

// Runs of a size that are timed: their median counts. A size that takes long is timed
// once, since what disturbs a run does not last so long.
const (
	timedRuns = 3
	longRun   = 200 * time.Millisecond
)

// warm runs batches of rising size: a few untimed runs of each, in which code is
// generated and memory touched, then some that are measured. The measurement keeps
// the rising order that a cost must have.
func (r *Runner) warm(w warming) (costTable, error) {
	var table costTable
	begin := time.Now()
	logits := make([]float32, r.maxBatch*r.width)
	run := func(n int) (time.Duration, error) {
		start := time.Now()
		staging := r.staging
		if r.stager != nil {
			staging = r.stager.Staging()
		}
		err := r.executor.Run(staging[:n*r.imageBytes], n, logits[:n*r.width])
		return time.Since(start), err
	}
	for n := 1; ; n = min(2*n, r.maxBatch) {
		for range w.untimed {
			if _, err := run(n); err != nil {
				return nil, err
			}
		}
		var times []time.Duration
		for len(times) < timedRuns {
			took, err := run(n)
			if err != nil {
				return nil, err
			}
			if times = append(times, took); took > longRun {
				break
			}
		}
		slices.Sort(times)
		took := times[len(times)/2]
		if len(table) > 0 {
			took = max(took, table[len(table)-1].took)
		}
		table = append(table, costPoint{n, took})
		if n == r.maxBatch || time.Since(begin) > w.budget {
			return table, nil
		}
	}
}
