package torch

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Collection of the tensors that nobody closes.
//
// The garbage collector sees a tensor as a handle of a few dozen bytes, however many
// gigabytes libtorch holds for it. A loop that drops 64 MiB tensors would fill the
// memory long before Go's heap grows enough to be collected. So the bytes of the
// tensors left to the collector are counted, and when they have doubled since the
// last collection (and are more than a floor, below which it does not matter), one is
// run on the spot.
//
// Doubling keeps the cost in proportion: a program whose tensors are all in use
// collects a logarithmic number of times, not at every tensor. Tensors that share
// memory are each counted whole, so the count may be too high; that costs a
// collection, never correctness. Tensors in a Scope are not counted.
const collectFloor = 256 << 20

var owed struct {
	bytes atomic.Int64 // of tensors left to the collector
	limit atomic.Int64 // at which the next collection is due; 0 stands for the floor
	busy  atomic.Bool
}

// owe counts a tensor that is left to the collector.
func owe(bytes int64) {
	n := owed.bytes.Add(bytes)
	if n < collectFloor || n < owed.limit.Load() || !owed.busy.CompareAndSwap(false, true) {
		return
	}
	defer owed.busy.Store(false)
	collect()
	owed.limit.Store(2 * owed.bytes.Load())
}

// collect runs the garbage collector and gives the cleanups that it found a moment to
// run: they do so in a goroutine of the runtime, in order, so a last one of our own
// tells when they are through. A bounded wait, as a cleanup behind a blocked one would
// otherwise hang the caller.
func collect() {
	done := make(chan struct{})
	func() { runtime.AddCleanup(new([16]byte), func(done chan struct{}) { close(done) }, done) }()
	runtime.GC()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
}

// GC collects the tensors that are no longer referred to. gotorch's programs call it
// at the beginning of each step; it never waits for tensors that are still in use.
// A loop in a [Scope] does not need it.
func GC() { collect() }

// FinishGC is GC, for gotorch's programs, which call it after their loops.
func FinishGC() { collect() }

// SetTensorFinalizer does nothing: every Tensor is freed by the collector when nobody
// closes it. gotorch's programs may call it.
func SetTensorFinalizer(*unsafe.Pointer) {}

// MustNil panics with the C string at err unless err is nil. The string stays its
// owner's.
func MustNil(err unsafe.Pointer) {
	if err != nil {
		panic(&Error{Op: "torch", Text: libtorch.CString(err)})
	}
}
