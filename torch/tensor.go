package torch

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Tensor is a multi-dimensional array that libtorch holds, on the CPU or on a
// device. Copies of the value refer to the same array. The zero value refers to
// none; T is nil then.
type Tensor struct {
	// T points to the reference to libtorch's tensor. It is nil for no tensor.
	T *unsafe.Pointer
}

// handle is what a Tensor's T points into. p is the first field, so a T is also
// a pointer to its handle, and the handle lives as long as any copy of T.
type handle struct {
	p       unsafe.Pointer // nil once closed
	bytes   int64
	cleanup runtime.Cleanup // set only for tensors outside scopes
	scope   *scope          // nil outside scopes
}

// leaked is what the garbage collector's cleanup needs of a handle that is gone.
type leaked struct {
	p     unsafe.Pointer
	bytes int64
}

var live struct{ tensors, bytes atomic.Int64 }

// LiveTensors tells how many tensors Go code holds and has not closed. A loop
// during which it grows is leaking.
func LiveTensors() int64 { return live.tensors.Load() }

// LiveBytes tells the size of the elements of those tensors. Tensors that share
// storage are each counted whole.
func LiveBytes() int64 { return live.bytes.Load() }

// adopt makes a Tensor of a result, which it takes over. An undefined result
// becomes the zero Tensor. The scope is the number that came with the result.
func adopt(r *libtorch.Result, scopeID int64) Tensor {
	p := r.Tensor()
	if p == nil {
		return Tensor{}
	}
	h := &handle{p: p, bytes: r.Bytes()}
	live.tensors.Add(1)
	live.bytes.Add(h.bytes)
	if s := findScope(scopeID); s != nil {
		s.own(h)
	} else {
		h.leaveToCollector()
	}
	return Tensor{&h.p}
}

func (h *handle) leaveToCollector() {
	h.scope = nil
	h.cleanup = runtime.AddCleanup(h, freeLeaked, leaked{h.p, h.bytes})
	owe(h.bytes)
}

func freeLeaked(l leaked) {
	live.tensors.Add(-1)
	live.bytes.Add(-l.bytes)
	owed.bytes.Add(-l.bytes)
	libtorch.Free(libtorch.TensorValue(l.p))
}

func (t Tensor) handle() *handle { return (*handle)(unsafe.Pointer(t.T)) }

// borrow returns the reference that libtorch wants. The caller keeps t alive while
// it uses it; see call.
func (t Tensor) borrow() (libtorch.Tensor, error) {
	if t.T == nil {
		return nil, errNil
	}
	p := atomic.LoadPointer(&t.handle().p)
	if p == nil {
		return nil, errClosed
	}
	return p, nil
}

var (
	errNil    = &Error{Op: "torch", Text: "the tensor is nil"}
	errClosed = &Error{Op: "torch", Text: "the tensor is closed"}
)

// pointer is borrow for the functions that panic.
func (t Tensor) pointer() libtorch.Tensor { return must(t.borrow()) }

// Close frees the tensor's memory. It may be called more than once, and on the
// zero Tensor. Other copies of t are closed with it.
func (t Tensor) Close() {
	if t.T == nil {
		return
	}
	h := t.handle()
	p := h.disown()
	if p != nil {
		libtorch.Free(libtorch.TensorValue(p))
	}
}

// disown takes the reference out of the handle and off the books; nil when that
// has been done before.
func (h *handle) disown() unsafe.Pointer {
	p := atomic.SwapPointer(&h.p, nil)
	if p == nil {
		return nil
	}
	if h.scope == nil {
		h.cleanup.Stop()
		owed.bytes.Add(-h.bytes)
	}
	live.tensors.Add(-1)
	live.bytes.Add(-h.bytes)
	return p
}
