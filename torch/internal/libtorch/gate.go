package libtorch

import (
	"runtime"
	"sync/atomic"
)

// How many operators run at once.
//
// A goroutine in a C call holds an OS thread, and the Go runtime starts another for
// the next goroutine. A thousand goroutines with tensors would so become a thousand
// threads, each with its own team of libtorch's worker threads behind it, all
// fighting for the same few CPUs. So only as many operators run at once as Go may
// use CPUs; the others wait as goroutines, which costs next to nothing.
//
// An operator never waits for another one, so the gate cannot lock up. Runs of an
// engine do not pass it: whoever made the engines has chosen their number, and a
// batch takes so long that operators would starve behind it.
var gate = newGate(runtime.GOMAXPROCS(0))

// Gated runs work, a few short calls, as one operator.
func Gated(work func()) {
	gate.enter()
	defer gate.leave()
	work()
}

// A counting semaphore whose uncontended path is one atomic addition on each side,
// some five nanoseconds; one of channels alone takes ten times that.
type semaphore struct {
	free atomic.Int64 // less the number that wait, when negative
	wake chan struct{}
}

func newGate(n int) *semaphore {
	s := &semaphore{wake: make(chan struct{})}
	s.free.Store(int64(n))
	return s
}

func (s *semaphore) enter() {
	if s.free.Add(-1) < 0 {
		<-s.wake
	}
}

func (s *semaphore) leave() {
	if s.free.Add(1) <= 0 {
		s.wake <- struct{}{} // someone waits, or is about to
	}
}
