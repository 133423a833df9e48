package batching

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Batcher groups the items of many callers into batches. All its methods may be called by many goroutines at once.
type Batcher[In, Out any] struct {
	cfg      Config[In, Out]
	epoch    time.Time     // when it was opened
	pool     sync.Pool     // *item[In, Out]
	stopped  chan struct{} // closed when the last runner is closed
	inFlight atomic.Int64
	rejected [numRejections]atomic.Uint64
	shielded sync.Once // a panic of a function of Config was reported

	mu struct {
		sync.Mutex
		wake              []sync.Cond // by runner, which waits for it while it is asleep
		asleep            []bool      // by runner: nobody has woken it since it found nothing to do
		normal            line[In, Out]
		low               line[In, Out]
		seq               uint64
		costs             costs
		drain             meter
		until             []moment // by runner: when its run is likely to end; 0: it is free; never: it is closed
		free              []moment // scratch of freeLocked
		normalDue, lowDue moment   // when the patience of the last item ends
		normalAt          moment   // when the last item of Normal priority came
		refused           moment   // when an item was last refused for want of capacity; 0: never
		idle              int      // runners that wait for wake
		alive             int      // runners not yet closed
		draining          bool
		broken            error // why no runner is left
		batches           [numReasons]uint64
		items             uint64
		failed            uint64
	}
}

// Open makes the runners and returns when all are ready. If one cannot be made the others are closed again.
func Open[In, Out any](cfg Config[In, Out]) (*Batcher[In, Out], error) {
	if err := cfg.ensureDefaults(); err != nil {
		return nil, err
	}
	b := &Batcher[In, Out]{cfg: cfg, epoch: time.Now(), stopped: make(chan struct{})}
	b.pool.New = func() any { return &item[In, Out]{done: make(chan struct{}, 1)} }
	b.mu.asleep = make([]bool, cfg.Runners)
	b.mu.wake = make([]sync.Cond, cfg.Runners)
	for i := range b.mu.wake {
		b.mu.wake[i].L = &b.mu
	}
	b.mu.costs = newCosts(cfg.MaxBatch, cfg.Buckets, cfg.LatencyTarget)
	b.mu.until = slices.Repeat([]moment{never}, cfg.Runners)
	b.mu.free = make([]moment, 0, cfg.Runners)

	for i := range cfg.Runners {
		if err := b.startWorker(i); err != nil {
			b.Close()
			return nil, fmt.Errorf("cannot open batcher: %w", err)
		}
	}
	if err := b.askCosts(); err != nil {
		b.Close()
		return nil, fmt.Errorf("cannot open batcher: %w", err)
	}
	return b, nil
}

// Do is DoPriority for an item of Normal priority.
func (b *Batcher[In, Out]) Do(ctx context.Context, in In) (Result[Out], error) {
	return b.DoPriority(ctx, in, Normal)
}

// DoPriority queues in, waits for its answer and returns it. It takes in over: see Config.Release.
//
// It returns ErrQueueFull, ErrBacklog or ErrDraining inside a *RetryError, ErrNoRunner, or ErrDeadline when in was not run; ctx.Err()
// as soon as ctx is over, be in queued or running; otherwise the result or the error of in's own run.
func (b *Batcher[In, Out]) DoPriority(ctx context.Context, in In, p Priority) (Result[Out], error) {
	return b.do(ctx, in, p, false)
}

// DoAsked is DoPriority for an item that Refusal let through before it was made. Refusal takes batches to run as long as nearly all do,
// so that an admitted item meets its deadline; DoAsked takes them to run as long as is typical. Otherwise one slow batch would have
// everything refused that has been made already, the work of which was for nothing and whose callers have waited.
func (b *Batcher[In, Out]) DoAsked(ctx context.Context, in In, p Priority) (Result[Out], error) {
	return b.do(ctx, in, p, true)
}

func (b *Batcher[In, Out]) do(ctx context.Context, in In, p Priority, asked bool) (Result[Out], error) {
	it := b.acquire(ctx, in, p)
	it.asked = asked
	if !b.enqueue(it) {
		return b.settle(it)
	}
	select {
	case <-it.done:
	case <-ctx.Done():
		if b.withdraw(it) {
			break
		}
		if it.state.CompareAndSwap(taken, abandoned) {
			b.reject(RejectedAbandoned)
			return Result[Out]{}, ctx.Err()
		}
		<-it.done // The answer came first.
	}
	return b.settle(it)
}

// now returns the present moment.
func (b *Batcher[In, Out]) now() moment { return time.Since(b.epoch) }

// acquire returns an item of the pool, filled in.
func (b *Batcher[In, Out]) acquire(ctx context.Context, in In, p Priority) *item[In, Out] {
	it := b.pool.Get().(*item[In, Out])
	it.in, it.ctx, it.priority = in, ctx, p
	it.deadline = never
	if d, ok := ctx.Deadline(); ok {
		it.deadline = d.Sub(b.epoch)
	}
	it.enqueued = b.now()
	it.state.Store(waiting)
	return it
}

// enqueue puts it into its line, or refuses it and returns false.
func (b *Batcher[In, Out]) enqueue(it *item[In, Out]) bool {
	if err := it.ctx.Err(); err != nil {
		it.refuse(rejectionOf(err), err)
		return false
	}
	b.mu.Lock()
	why, err := b.admitLocked(it, it.enqueued)
	depth := b.waitingLocked()
	var sleeper *sync.Cond
	if err == nil {
		sleeper = b.wakeLocked()
	}
	b.mu.Unlock()

	// NB: from here on an accepted item belongs to whoever takes it.
	if err != nil {
		it.refuse(why, err)
		return false
	}
	if sleeper != nil {
		sleeper.Signal()
	}
	b.tellEnqueued(depth)
	return true
}

// wakeLocked wakes the first runner that is asleep: the caller signals what is returned, which may be nil. So a lone caller's
// items all go to runner 0, whose memory is warm, and which may be another kind than those that join it under load.
func (b *Batcher[In, Out]) wakeLocked() *sync.Cond {
	i := slices.Index(b.mu.asleep, true)
	if i < 0 {
		return nil
	}
	b.mu.asleep[i] = false
	return &b.mu.wake[i]
}

// lineLocked returns the line of a priority; whatever is not Low is Normal.
func (b *Batcher[In, Out]) lineLocked(p Priority) *line[In, Out] {
	if p == Low {
		return &b.mu.low
	}
	return &b.mu.normal
}

// waitingLocked returns how many items wait.
func (b *Batcher[In, Out]) waitingLocked() int { return b.mu.normal.len() + b.mu.low.len() }

// withdraw takes the item of a caller that gives up out of the queue, which frees its place. It returns false if the item is not
// there any more.
func (b *Batcher[In, Out]) withdraw(it *item[In, Out]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it.state.Load() != waiting {
		return false
	}
	l := b.lineLocked(it.priority)
	l.remove(l.place(it))
	it.refuse(rejectionOf(it.ctx.Err()), it.ctx.Err())
	return true
}

// settle ends a call of Do whose caller owns it again.
func (b *Batcher[In, Out]) settle(it *item[In, Out]) (Result[Out], error) {
	res, err, rejected, why := it.res, it.err, it.rejected, it.why
	b.recycle(it)
	if rejected {
		b.reject(why)
	}
	return res, err
}

// recycle gives it back to the pool and what it carried to Config.Release.
//
// REQUIRES: the calling goroutine owns it, it.done is empty, b.mu is not held.
func (b *Batcher[In, Out]) recycle(it *item[In, Out]) {
	in := it.in
	it.clear()
	b.pool.Put(it)
	b.release(in)
}

// reject counts an item that got no result.
func (b *Batcher[In, Out]) reject(why Rejection) {
	b.rejected[why].Add(1)
	b.tellRejected(why)
}
