package bench

import (
	"context"
	"sync"
	"time"
)

// Repeated is how long calls of a function took.
type Repeated struct {
	Calls   int64      // in the window, of all workers
	Rate    float64    // calls a second, of all workers
	Latency *Quantiles // nil if there was none
	Median  time.Duration
}

// Repeat lets each of some workers call a function again and again: for warmup without taking note, at least once, then for
// duration, at least once. open is called in the worker's goroutine and returns what it calls, and what it calls at the
// end. The workers begin together, when all of them are open. Repeat ends early, with what there is, when ctx ends; and
// with an error when a call or open fails.
func Repeat(ctx context.Context, workers int, warmup, duration time.Duration, open func() (call func() error, end func(), err error)) (Repeated, error) {
	var all, opened sync.WaitGroup
	opened.Add(workers)
	took, rates, failed := make([]histogram, workers), make([]float64, workers), make([]error, workers)
	for i := range workers {
		all.Go(func() {
			call, end, err := open()
			opened.Done()
			if err != nil {
				failed[i] = err
				return
			}
			defer end()
			opened.Wait()
			rates[i], failed[i] = repeat(ctx, warmup, duration, call, &took[i])
		})
	}
	all.Wait()
	var out Repeated
	for i := range workers {
		if failed[i] != nil {
			return Repeated{}, failed[i]
		}
		out.Rate += rates[i]
		if i > 0 {
			took[0].merge(took[i])
		}
	}
	out.Calls, out.Latency, out.Median = took[0].count(), took[0].quantiles(), took[0].quantile(0.5)
	return out, nil
}

// repeat returns the calls a second of one worker.
func repeat(ctx context.Context, warmup, duration time.Duration, call func() error, took *histogram) (float64, error) {
	for begin := time.Now(); ; {
		if err := call(); err != nil {
			return 0, err
		}
		if time.Since(begin) >= warmup || ctx.Err() != nil {
			break
		}
	}
	begin := time.Now()
	last := begin
	for last.Sub(begin) < duration && ctx.Err() == nil {
		if err := call(); err != nil {
			return 0, err
		}
		now := time.Now()
		took.record(now.Sub(last), 4)
		last = now
	}
	if last == begin {
		return 0, nil
	}
	return float64(took.count()) / last.Sub(begin).Seconds(), nil
}
