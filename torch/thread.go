package torch

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Held threads, and how many there may be.
//
// A Scope, a NoGrad or an Autocast holds its goroutine's OS thread while its body
// runs, as libtorch keeps their state in thread-locals. A thousand goroutines with a
// Scope each would be a thousand threads, with libtorch's worker threads behind each.
// So only so many goroutines hold a thread at once, and the others wait as goroutines,
// not as threads. Whoever holds one may hold it again inside.
//
// A bound on what user code runs inside can lock up: all holders may wait, on a
// barrier say, for a goroutine that waits for a thread. So a wait during which no
// holder has ended for a whole second goes ahead; the bound gives way rather than the
// program.
var held = threadSlots{slots: make(chan struct{}, max(32, 2*runtime.GOMAXPROCS(0)))}

type threadSlots struct {
	slots chan struct{}
	ended atomic.Int64 // how often a slot was left
}

// patience is how long nobody may leave a slot before a waiter goes ahead without.
const patience = time.Second

func (t *threadSlots) tryEnter() bool {
	select {
	case t.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// enter waits for a slot and tells whether it got one.
func (t *threadSlots) enter() bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		ended := t.ended.Load()
		select {
		case t.slots <- struct{}{}:
			return true
		case <-timer.C:
			if t.ended.Load() == ended {
				return false
			}
			timer.Reset(patience)
		}
	}
}

func (t *threadSlots) leave() {
	t.ended.Add(1)
	<-t.slots
}

// holdThread runs body on a thread that is its goroutine's alone, with its scope
// number set to scope; body is told what the number was before, 0 when the goroutine
// held no thread. The number is put back afterwards.
func holdThread(scope int64, body func(before int64)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := must(libtorch.ScopeMode(scope))
	if before == 0 {
		entered := held.tryEnter()
		if !entered {
			// Not while holding the thread: that is what is short.
			must(libtorch.ScopeMode(0))
			runtime.UnlockOSThread()
			entered = held.enter()
			runtime.LockOSThread()
			must(libtorch.ScopeMode(scope))
		}
		if entered {
			defer held.leave()
		}
	}
	defer func() { must(libtorch.ScopeMode(before)) }()
	body(before)
}
