package torch

import (
	"runtime"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Backward adds the gradients of t, a scalar, to the leaves that it was
// computed from and that require them.
func (t Tensor) Backward() {
	err := libtorch.Backward(t.pointer(), nil, false, false)
	runtime.KeepAlive(t.T)
	if err != nil {
		panic(err)
	}
}

// Grad returns the gradient of a leaf, a view of what Backward and the optimizer
// work on; the zero Tensor when there is none.
func (t Tensor) Grad() Tensor {
	r, scope, err := libtorch.Grad(t.pointer())
	runtime.KeepAlive(t.T)
	if err != nil {
		panic(err)
	}
	return adopt(&r, scope)
}

// SetData makes t hold other's elements, while it stays the same leaf for
// autograd and for an optimizer.
func (t Tensor) SetData(other Tensor) {
	err := libtorch.SetData(t.pointer(), other.pointer())
	runtime.KeepAlive(t.T)
	runtime.KeepAlive(other.T)
	if err != nil {
		panic(err)
	}
}

// ClearGrads drops the gradients of all the tensors. The next Backward makes
// them anew, which costs less than zeroing them.
func ClearGrads(tensors []Tensor) {
	list := make([]libtorch.Value, len(tensors))
	for i, t := range tensors {
		list[i] = libtorch.TensorValue(t.pointer())
	}
	err := libtorch.ClearGrads(list)
	runtime.KeepAlive(tensors)
	if err != nil {
		panic(err)
	}
}
