package batching

import (
	"fmt"
	"log"
	"runtime/debug"
)

// The functions of Config that only look on, or only take something back, are called here. Whoever calls is in the middle of
// something: a caller whose item a runner has already, a runner with a batch to answer. A panic that went on from there would leave the
// others of the batch without an answer, and on a runner's goroutine it would end the process.

// shield, when deferred, ends a panic. The first of a batcher is written to the standard log; a function that panics each time
// must not fill the disk.
func (b *Batcher[In, Out]) shield() {
	if v := recover(); v != nil {
		b.shielded.Do(func() {
			log.Printf("batching: a function of Config's Observer, or its Release, panics; it is reported once: %v\n%s", v, debug.Stack())
		})
	}
}

func (b *Batcher[In, Out]) tellEnqueued(depth int) {
	if f := b.cfg.Observer.Enqueued; f != nil {
		defer b.shield()
		f(depth)
	}
}

func (b *Batcher[In, Out]) tellDequeued(n, depth int) {
	if f := b.cfg.Observer.Dequeued; f != nil {
		defer b.shield()
		f(n, depth)
	}
}

func (b *Batcher[In, Out]) tellBatchDone(d Batch) {
	if f := b.cfg.Observer.BatchDone; f != nil {
		defer b.shield()
		f(d)
	}
}

func (b *Batcher[In, Out]) tellRejected(why Rejection) {
	if f := b.cfg.Observer.Rejected; f != nil {
		defer b.shield()
		f(why)
	}
}

func (b *Batcher[In, Out]) tellFailed(i int, err error) {
	if f := b.cfg.Observer.Failed; f != nil {
		defer b.shield()
		f(i, err)
	}
}

func (b *Batcher[In, Out]) release(in In) {
	if f := b.cfg.Release; f != nil {
		defer b.shield()
		f(in)
	}
}

// askCosts asks Config.Cost. It has answered before the lock is taken.
func (b *Batcher[In, Out]) askCosts() (err error) {
	if b.cfg.Cost == nil {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot ask for the costs: %w", err)
		}
	}()
	defer contain(&err)
	costs := make([]moment, b.cfg.MaxBatch+1)
	for n := 1; n <= b.cfg.MaxBatch; n++ {
		costs[n] = b.cfg.Cost(n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.costs.give(func(n int) moment { return costs[n] })
	return nil
}
