package torch

import (
	"runtime"
	"slices"
	"sync"
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

// heldThread is what this package knows of a goroutine that holds a thread. Its id
// is the number in the native library's thread-local, 0 being no held thread.
type heldThread struct {
	id    int64
	scope *scope // the innermost; nil for none
}

var heldThreads struct {
	mu   sync.Mutex
	free []*heldThread
	// by id-1; replaced, never changed, as operators read it without the lock
	all atomic.Pointer[[]*heldThread]
}

func newHeldThread() *heldThread {
	h := &heldThreads
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.free); n > 0 {
		t := h.free[n-1]
		h.free = h.free[:n-1]
		return t
	}
	var all []*heldThread
	if p := h.all.Load(); p != nil {
		all = slices.Clone(*p)
	}
	t := &heldThread{id: int64(len(all)) + 1}
	all = append(all, t)
	h.all.Store(&all)
	return t
}

func (t *heldThread) release() {
	h := &heldThreads
	h.mu.Lock()
	defer h.mu.Unlock()
	h.free = append(h.free, t)
}

func findThread(id int64) *heldThread { return (*heldThreads.all.Load())[id-1] }

// findScope returns the scope that a call's result belongs to, by the number that
// came with it; nil for none.
func findScope(id int64) *scope {
	if id == 0 {
		return nil
	}
	return findThread(id).scope
}

// holdThread runs body on a thread that is its goroutine's alone until body returns.
func holdThread(body func(*heldThread)) {
	check(libtorch.Load()) // before the thread is locked
	t := newHeldThread()
	defer t.release()
	outer, entered := lockThread(t)
	defer runtime.UnlockOSThread()
	if outer != 0 {
		body(findThread(outer))
		return
	}
	if !entered {
		// Not while holding the thread: that is what is short.
		must(libtorch.ScopeMode(0))
		runtime.UnlockOSThread()
		entered = held.enter()
		runtime.LockOSThread()
		must(libtorch.ScopeMode(t.id))
	}
	if entered {
		defer held.leave()
	}
	defer func() { must(libtorch.ScopeMode(0)) }()
	body(t)
}

// lockThread locks the goroutine to its thread. When it holds the thread already, outer
// is the id of that; otherwise the thread has t's now, and entered tells whether a slot
// was free. A thousand goroutines may come here at once, hence the gate.
func lockThread(t *heldThread) (outer int64, entered bool) {
	libtorch.Gated(func() {
		runtime.LockOSThread()
		outer = must(libtorch.ScopeMode(t.id))
		if outer != 0 {
			must(libtorch.ScopeMode(outer))
			return
		}
		entered = held.tryEnter()
	})
	return outer, entered
}
