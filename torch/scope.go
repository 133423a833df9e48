package torch

import (
	"sync"
	"sync/atomic"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// scope is the list of the tensors made on one locked thread between the start
// and the end of a Scope.
//
// How does an operator know that it runs inside a scope? Go has no
// goroutine-local variables, and a parameter in every operator would spoil the
// API. So a Scope locks its goroutine to the thread and leaves a number in a
// thread-local of the native library; each operator's call returns the number
// together with its results, at no cost. Only the scope's own goroutine can see
// that number, so the list needs no lock.
type scope struct {
	handles []*handle
	outer   *scope
}

var (
	scopes    sync.Map // int64 → *scope
	lastScope atomic.Int64
)

// noScope is the number of a thread that is held without a Scope, by NoGrad.
const noScope = -1

func findScope(id int64) *scope {
	if id <= 0 {
		return nil
	}
	s, ok := scopes.Load(id)
	if !ok {
		panic("BUG: a tensor was made in a scope that has ended")
	}
	return s.(*scope)
}

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
	id := lastScope.Add(1)
	s := &scope{}
	holdThread(id, func(before int64) {
		s.outer = findScope(before)
		scopes.Store(id, s)
		defer func() {
			scopes.Delete(id)
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

func (s *scope) free() {
	dead := make([]libtorch.Value, 0, len(s.handles))
	for _, h := range s.handles {
		if h.scope != s {
			continue // kept
		}
		if p := h.disown(); p != nil {
			dead = append(dead, libtorch.TensorValue(p))
		}
	}
	if len(dead) > 0 {
		libtorch.Free(dead...)
	}
}

// outsideScopes runs body as if the goroutine were in no Scope, for tensors that
// belong to something that lives on, such as an optimizer.
func outsideScopes(body func()) {
	holdThread(noScope, func(int64) { body() })
}

// NoGrad runs body without recording gradients, for evaluation and for updates
// of parameters.
func NoGrad(body func()) {
	keepingScope(func() {
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
	keepingScope(func() {
		before, dtypeBefore, err := libtorch.AutocastMode(device.kind, true, int64(dtype))
		check(err)
		defer func() {
			_, _, err := libtorch.AutocastMode(device.kind, before, dtypeBefore)
			check(err)
		}()
		body()
	})
}

// keepingScope holds the thread and stays in the Scope that the goroutine is in.
func keepingScope(body func()) {
	holdThread(noScope, func(before int64) {
		if before > 0 {
			must(libtorch.ScopeMode(before))
		}
		body()
	})
}
