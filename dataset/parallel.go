package dataset

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls do(i) for every i in [0, n) from several goroutines (workers;
// 0: one a core) and waits for them. It returns the error of the lowest i that
// failed, whichever came first in time, so that the same bad folder always
// yields the same message. After an error only lower indexes are still tried.
func parallel(ctx context.Context, n, workers int, do func(i int) error) error {
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	var (
		next   atomic.Int64
		mu     sync.Mutex
		failed = n // lowest index that failed
		first  error
		wg     sync.WaitGroup
	)
	work := func() {
		for ctx.Err() == nil {
			i := int(next.Add(1) - 1)
			mu.Lock()
			stop := i >= failed
			mu.Unlock()
			if stop {
				return
			}
			if err := do(i); err != nil {
				mu.Lock()
				if i < failed {
					failed, first = i, err
				}
				mu.Unlock()
			}
		}
	}
	for range min(workers, n) {
		wg.Go(work)
	}
	wg.Wait()
	if first != nil {
		return first
	}
	return ctx.Err()
}
