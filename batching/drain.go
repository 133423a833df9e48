package batching

import (
	"context"
	"fmt"
)

// Drain stops the batcher: no item is accepted from now on, those that wait are run, then the runners are closed. It returns nil
// when all that is done.
//
// When ctx is over before, the items that still wait get ErrDraining and Drain returns an error; runs that have begun go on, their
// callers get their results, and Close waits for them. Drain may be called again and by several goroutines at once; the
// first context that is over ends the patience of all.
func (b *Batcher[In, Out]) Drain(ctx context.Context) error {
	b.refuseNew()
	select {
	case <-b.stopped:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-b.stopped:
		return nil
	default:
		return fmt.Errorf("cannot drain batcher in time, %d queued items refused: %w", b.refuseQueued(), ctx.Err())
	}
}

// Close stops the batcher at once: the items that wait get ErrDraining. It returns when the runs that have begun are over and the
// runners are closed. It may be called at any time, also after and during Drain.
func (b *Batcher[In, Out]) Close() {
	b.refuseNew()
	b.refuseQueued()
	<-b.stopped
}

func (b *Batcher[In, Out]) refuseNew() {
	b.mu.Lock()
	b.mu.draining = true
	clear(b.mu.asleep)
	b.mu.Unlock()
	for i := range b.mu.wake {
		b.mu.wake[i].Signal()
	}
}

func (b *Batcher[In, Out]) refuseQueued() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dismissAllLocked(RejectedDraining, b.retryLocked(ErrDraining, b.now()))
}

// retire strikes runner i off. The last one, if it broke, takes along the items that nobody will run.
func (b *Batcher[In, Out]) retire(i int, broke error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.alive--
	b.mu.until[i] = never
	if b.mu.alive > 0 {
		return
	}
	if broke != nil {
		b.mu.broken = fmt.Errorf("%w: %w", ErrNoRunner, broke)
		b.dismissAllLocked(RejectedNoRunner, b.mu.broken)
	}
	close(b.stopped)
}
