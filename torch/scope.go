package torch

import (
	"sync"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// scope is the list of the tensors made on one held thread between the start and
// the end of a Scope.
//
// How does an operator know that it runs inside a scope? Go has no
// goroutine-local variables, and a parameter in every operator would spoil the
// API. So a Scope holds its goroutine's thread and leaves a number in a
// thread-local of the native library; each operator's call returns the number
// together with its results, at no cost. Only the scope's own goroutine can see
// that number, so the list needs no lock.
type scope struct {
	handles []*handle
	dead    []libtorch.Value // room for what free collects
	outer   *scope
}

// scopePool keeps the lists of ended scopes, so that a training step allocates none.
var scopePool = sync.Pool{New: func() any { return new(scope) }}

func (s *scope) own(h *handle) {
	h.scope = s
	s.handles = append(s.handles, h)
}

// Scope runs body and then frees all tensors that were made in it by this
// goroutine, in one call, but for those that body has kept: keep hands a tensor
// to the enclosing scope, or to the garbage collector when there is none, and
// returns it. A training step or a request in a Scope needs no Close.
//
// Scopes may be nested. A panic in body frees the tensors, too.
func Scope(body func(keep func(Tensor) Tensor)) {
	holdThread(func(thread *heldThread) {
		s := scopePool.Get().(*scope)
		s.outer, thread.scope = thread.scope, s
		defer func() {
			thread.scope = s.outer
			s.free()
		}()
		body(s.keep)
	})
}

func (s *scope) keep(t Tensor) Tensor {
	h := t.handle()
	if h == nil || h.scope != s {
		return t // not made here: not ours to free
	}
	if s.outer != nil {
		s.outer.own(h)
	} else {
		h.leaveToCollector()
	}
	return t
}

// free frees what was not kept and gives the lists back for another scope.
func (s *scope) free() {
	for _, h := range s.handles {
		if h.scope != s {
			continue // kept
		}
		if p := h.disown(); p != nil {
			s.dead = append(s.dead, libtorch.TensorValue(p))
		}
		h.scope = nil // s will be another scope
	}
	if len(s.dead) > 0 {
		libtorch.Free(s.dead...)
	}
	clear(s.handles)
	s.handles, s.dead, s.outer = s.handles[:0], s.dead[:0], nil
	scopePool.Put(s)
}

// outsideScopes runs body as if the goroutine were in no Scope, for tensors that
// belong to something that lives on, such as an optimizer.
func outsideScopes(body func()) {
	holdThread(func(thread *heldThread) {
		inside := thread.scope
		thread.scope = nil
		defer func() { thread.scope = inside }()
		body()
	})
}

// NoGrad runs body without recording gradients, for evaluation and for updates
// of parameters.
func NoGrad(body func()) {
	holdThread(func(*heldThread) {
		before := must(libtorch.GradMode(false))
		defer func() { must(libtorch.GradMode(before)) }()
		body()
	})
}

// Autocast runs body with the operators that profit from it (convolutions,
// matrix products) computing in dtype, [BFloat16] or [Half], on the given
// device, while parameters and losses stay in float32. The backward pass belongs
// outside: it uses the types that the forward pass chose.
func Autocast(device Device, dtype int8, body func()) {
	check(checkDType(dtype))
	holdThread(func(*heldThread) {
		before, dtypeBefore, err := libtorch.AutocastMode(device.kind, true, int64(dtype))
		check(err)
		defer func() {
			_, _, err := libtorch.AutocastMode(device.kind, before, dtypeBefore)
			check(err)
		}()
		body()
	})
}
