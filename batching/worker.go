package batching

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// worker is a runner, its thread and its buffers.
type worker[In, Out any] struct {
	b      *Batcher[In, Out]
	i      int
	runner Runner[In, Out] // nil after it broke and could not be made anew
	broke  error           // why

	free    moment // when it was last ready for a batch
	backlog bool   // the batch it runs was taken from a queue that held more, or that grew while it ran

	batch []*item[In, Out]
	in    []In
	out   []Out
}

// startWorker starts worker i and waits until its runner is made.
func (b *Batcher[In, Out]) startWorker(i int) error {
	w := &worker[In, Out]{
		b:     b,
		i:     i,
		batch: make([]*item[In, Out], 0, b.cfg.MaxBatch),
		in:    make([]In, b.cfg.MaxBatch),
		out:   make([]Out, b.cfg.MaxBatch),
	}
	b.mu.Lock()
	b.mu.alive++
	b.mu.Unlock()
	ready := make(chan error)
	go w.work(ready)
	return <-ready
}

// work serves batches until there are no more or the runner is beyond repair.
//
// The goroutine stays locked to its thread to the end, so that the thread dies with it, along with whatever native libraries
// have tied to it: no other goroutine may inherit that.
func (w *worker[In, Out]) work(ready chan<- error) {
	runtime.LockOSThread()
	err := w.makeRunner()
	if err != nil {
		w.b.retire(w.i, err)
		ready <- err
		return
	}
	ready <- nil
	for w.runner != nil {
		batch, reason := w.b.take(w)
		if len(batch) == 0 {
			w.closeRunner()
			break
		}
		w.serve(batch, reason)
	}
	w.b.retire(w.i, w.broke)
}

// makeRunner makes the worker's runner. A panic is contained as in a run.
func (w *worker[In, Out]) makeRunner() (err error) {
	defer func() {
		if err != nil {
			w.runner, err = nil, fmt.Errorf("cannot make runner %d: %w", w.i, err)
		}
	}()
	defer contain(&err)
	w.runner, err = w.b.cfg.NewRunner(w.i)
	return err
}

// serve runs a batch and answers its items. After a failure it runs them once more, one by one, so that only the guilty fail.
func (w *worker[In, Out]) serve(batch []*item[In, Out], reason Reason) {
	err := w.run(batch, reason)
	if err == nil || len(batch) == 1 {
		for _, it := range batch {
			w.answer(it, err)
		}
		return
	}
	for i, it := range batch {
		var err error
		switch {
		case it.state.Load() == abandoned:
		case w.runner == nil: // It broke in an earlier run of this batch.
			err = fmt.Errorf("%w: %w", ErrNoRunner, w.broke)
			it.rejected, it.why = true, RejectedNoRunner
		default:
			err = w.run(batch[i:i+1], ReasonIsolate)
		}
		w.answer(it, err)
	}
}

// answer gives it back to its caller; if that has left, the item ends here.
func (w *worker[In, Out]) answer(it *item[In, Out], err error) {
	w.b.inFlight.Add(-1)
	it.err = err
	if !it.answer() {
		w.b.recycle(it)
	}
}

// run runs the items as one batch and stores their results in them.
func (w *worker[In, Out]) run(items []*item[In, Out], reason Reason) error {
	n := len(items)
	first := never
	for i, it := range items {
		w.in[i] = it.in
		first = min(first, it.enqueued)
	}
	err := w.enter()
	start := w.b.now()
	if err == nil {
		err = w.call(n)
	}
	end := w.b.now()
	if err == nil {
		for i, it := range items {
			it.res = Result[Out]{Value: w.out[i], BatchSize: n, Queue: start - it.enqueued, Run: end - start}
		}
	}
	clear(w.in[:n])
	clear(w.out[:n])

	w.ran(n, reason, start, end, err)
	w.b.tellBatchDone(Batch{Size: n, Padded: w.b.mu.costs.up[n], Reason: reason, Queue: start - first, Run: end - start, Err: err})
	if err != nil {
		w.b.tellFailed(w.i, err)
		w.repair()
	}
	return err
}

// enter waits until the runner can run.
func (w *worker[In, Out]) enter() (err error) {
	g, ok := w.runner.(Gate)
	if !ok {
		return nil
	}
	defer contain(&err)
	return g.Enter()
}

// call calls the runner.
func (w *worker[In, Out]) call(n int) (err error) {
	defer contain(&err)
	return w.runner.Run(w.in[:n:n], w.out[:n:n])
}

// contain, when deferred, makes a panic an error.
func contain(err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{v, debug.Stack()}
	}
}

// repair replaces the runner if it says that it is broken.
func (w *worker[In, Out]) repair() {
	if !w.broken() {
		return
	}
	w.closeRunner()
	if w.broke = w.makeRunner(); w.broke != nil {
		w.b.tellFailed(w.i, w.broke)
	}
}

// broken asks the runner. One that panics over the question is.
func (w *worker[In, Out]) broken() bool {
	r, ok := w.runner.(Breaker)
	if !ok {
		return false
	}
	broken := true
	var err error
	func() {
		defer contain(&err)
		broken = r.Broken()
	}()
	if err != nil {
		w.b.tellFailed(w.i, err)
	}
	return broken
}

// closeRunner closes the runner. What it leaves behind when it panics is lost.
func (w *worker[In, Out]) closeRunner() {
	var err error
	func() {
		defer contain(&err)
		w.runner.Close()
	}()
	if err != nil {
		w.b.tellFailed(w.i, fmt.Errorf("cannot close runner %d: %w", w.i, err))
	}
}

// ran takes note of a run from start to end. A failure teaches nothing about costs.
func (w *worker[In, Out]) ran(n int, reason Reason, start, end moment, err error) {
	b := w.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.batches[reason]++
	served := n
	switch {
	case err == nil:
		b.mu.items += uint64(n)
		b.mu.costs.learn(n, end-start, end)
	case n == 1:
		b.mu.failed++
	default:
		served = 0
		b.mu.until[w.i] = end + time.Duration(n)*b.mu.costs.typical(1, end) // They run again, one by one.
	}
	if w.backlog {
		b.mu.drain.add(served, end-w.free, end)
	}
	w.free = end
}
