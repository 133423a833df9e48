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
}

func freeLeaked(l leaked) {
	live.tensors.Add(-1)
	live.bytes.Add(-l.bytes)
	libtorch.Free(libtorch.TensorValue(l.p))
}

func (t Tensor) handle() *handle { return (*handle)(unsafe.Pointer(t.T)) }

// pointer returns the reference that libtorch wants. The caller keeps t alive
// while it uses it; see call.
func (t Tensor) pointer() libtorch.Tensor {
	if t.T == nil {
		panic(&Error{Op: "torch", Text: "the tensor is nil"})
	}
	p := atomic.LoadPointer(&t.handle().p)
	if p == nil {
		panic(&Error{Op: "torch", Text: "the tensor is closed"})
	}
	return p
}

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
	h.cleanup.Stop()
	live.tensors.Add(-1)
	live.bytes.Add(-h.bytes)
	return p
}

// call is one call of an operator in the making: its arguments, and the tensors
// among them, which are thereby alive until run has returned. No operator can
// forget to keep an operand.
type call struct {
	libtorch.Args
	kept [6]Tensor
	n    int
	more []Tensor
}

func (c *call) tensor(t Tensor) *call {
	c.Args.Tensor(t.pointer())
	c.keep(t)
	return c
}

// optional adds a tensor that may be the zero Tensor.
func (c *call) optional(t Tensor) *call {
	if t.T == nil {
		c.None()
		return c
	}
	return c.tensor(t)
}

func (c *call) tensors(ts []Tensor) *call {
	c.Args.Tensors(len(ts))
	for _, t := range ts {
		c.Args.Tensor(t.pointer())
	}
	c.more = append(c.more, ts...)
	return c
}

func (c *call) keep(t Tensor) {
	if c.n < len(c.kept) {
		c.kept[c.n] = t
		c.n++
		return
	}
	c.more = append(c.more, t)
}

// try runs the operator and returns its first result.
func (c *call) try(op *libtorch.Op) (Tensor, error) {
	var r [1]libtorch.Result
	_, scope, err := op.Call(&c.Args, r[:])
	runtime.KeepAlive(c)
	if err != nil {
		return Tensor{}, err
	}
	return adopt(&r[0], scope), nil
}

// run is try for the functions that panic.
func (c *call) run(op *libtorch.Op) Tensor {
	t, err := c.try(op)
	if err != nil {
		panic(err)
	}
	return t
}

// run2 runs an operator with two results.
func (c *call) run2(op *libtorch.Op) (Tensor, Tensor) {
	var r [2]libtorch.Result
	_, scope, err := op.Call(&c.Args, r[:])
	runtime.KeepAlive(c)
	if err != nil {
		panic(err)
	}
	return adopt(&r[0], scope), adopt(&r[1], scope)
}

// exec runs an operator whose results are of no interest, such as an in-place
// update of many tensors.
func (c *call) exec(op *libtorch.Op) {
	_, _, err := op.Call(&c.Args, nil)
	runtime.KeepAlive(c)
	if err != nil {
		panic(err)
	}
}

// number runs an operator whose result is a number.
func (c *call) number(op *libtorch.Op) libtorch.Result {
	var r [1]libtorch.Result
	_, _, err := op.Call(&c.Args, r[:])
	runtime.KeepAlive(c)
	if err != nil {
		panic(err)
	}
	return r[0]
}
