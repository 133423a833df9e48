package sim

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/torchlit/torchlit/batching"
)

// Ours is package batching. Serve must be called in a bubble of testing/synctest; elsewhere it takes as long as the load lasts.
type Ours struct {
	Learn   bool // no table is given: the costs are learned from the runs
	Buckets []int
}

// Name implements Policy.
func (p Ours) Name() string { return "Torchlit" }

// Serve implements Policy.
func (p Ours) Serve(m Machine, l Load) Outcome {
	var o Outcome
	cfg := batching.Config[int, struct{}]{
		NewRunner: func(int) (batching.Runner[int, struct{}], error) { return runner(m.runs()), nil },
		MaxBatch:  m.MaxBatch,
		MaxQueue:  len(l.Arrivals), // The deadlines bound it.
		Buckets:   p.Buckets,
	}
	if !p.Learn {
		cfg.Cost = m.Costs.Of
	}
	b, err := batching.Open(cfg)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	defer b.Close()

	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now()
	for i, at := range l.Arrivals {
		if wait := at - time.Since(begin); wait > 0 || i == 0 {
			time.Sleep(wait)
		} else {
			time.Sleep(time.Nanosecond) // Of two that come at once the first is in the line before the second comes, so each run has the same order.
		}
		ctx, cancel := context.WithTimeout(context.Background(), l.Deadline)
		wg.Go(func() {
			defer cancel()
			start := time.Now()
			_, err := b.Do(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				o.answered(time.Since(start), time.Since(begin), l.Deadline)
			case errors.As(err, new(*batching.RetryError)):
				o.Refused++
			default:
				o.Late++
			}
		})
	}
	wg.Wait()
	for _, n := range b.Stats().Batches {
		o.Runs += int(n)
	}
	o.finish(l)
	return o
}

// runner sleeps as long as a run takes.
type runner func(n int) time.Duration

func (r runner) Run(in []int, _ []struct{}) error {
	time.Sleep(r(len(in)))
	return nil
}

func (r runner) Close() {}
