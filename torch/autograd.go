package torch

import (
	"fmt"
	"runtime"
	"slices"

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

// BackwardWith is Backward for a t of any shape, and for more than one pass.
// gradient is that of the final result with respect to t, of t's shape; the zero
// Tensor stands for 1 where t is a scalar. retainGraph keeps the record for
// another pass. createGraph records the pass itself, so that gradients have
// gradients, and keeps the graph as well.
func (t Tensor) BackwardWith(gradient Tensor, retainGraph, createGraph bool) {
	var g libtorch.Tensor
	if gradient.T != nil {
		g = gradient.pointer()
		mustFit(gradient, t)
	}
	err := libtorch.Backward(t.pointer(), g, retainGraph || createGraph, createGraph)
	runtime.KeepAlive(t.T)
	runtime.KeepAlive(gradient.T)
	if err != nil {
		panic(err)
	}
}

// GradOptions are what [GradOf] may be told beyond its outputs and inputs.
type GradOptions struct {
	// Gradients are those of the final result with respect to each output. nil,
	// or a zero Tensor among them, stands for 1, where the output is a scalar.
	Gradients []Tensor
	// RetainGraph keeps the record for another pass.
	RetainGraph bool
	// CreateGraph records the pass, so that gradients have gradients. It keeps
	// the graph as well.
	CreateGraph bool
	// AllowUnused makes the gradient of an input that no output was computed
	// from the zero Tensor, not an error.
	AllowUnused bool
}

// GradOf returns the gradients of the sum of outputs with respect to each of
// inputs, without adding them to anything: Grad stays as it is. It panics where
// [TryGradOf] returns an error.
func GradOf(outputs, inputs []Tensor, options ...GradOptions) []Tensor {
	return must(TryGradOf(outputs, inputs, options...))
}

// TryGradOf is GradOf with an error instead of a panic: no outputs or inputs, an
// input that does not require a gradient or that nothing was computed from, a
// gradient of another shape than its output's.
func TryGradOf(outputs, inputs []Tensor, options ...GradOptions) (gradients []Tensor, err error) {
	err = Try(func() { gradients = gradOf(outputs, inputs, options) })
	return gradients, err
}

func gradOf(outputs, inputs []Tensor, options []GradOptions) []Tensor {
	var o GradOptions
	if len(options) > 0 {
		o = options[0]
	}
	if len(outputs) == 0 || len(inputs) == 0 {
		panic(&Error{Op: "torch.GradOf", Text: "there must be an output and an input at least"})
	}
	if o.Gradients != nil && len(o.Gradients) != len(outputs) {
		panic(&Error{Op: "torch.GradOf",
			Text: fmt.Sprintf("%d gradients for %d outputs; give one for each, or none", len(o.Gradients), len(outputs))})
	}
	given := make([]libtorch.Value, len(outputs))
	for i, g := range o.Gradients {
		if g.T != nil {
			given[i] = libtorch.TensorValue(g.pointer())
			mustFit(g, outputs[i])
		}
	}
	results := make([]libtorch.Result, len(inputs))
	scope, err := libtorch.GradOf(pointers(outputs), given, pointers(inputs),
		o.RetainGraph || o.CreateGraph, o.CreateGraph, o.AllowUnused, results)
	runtime.KeepAlive([...][]Tensor{outputs, inputs, o.Gradients})
	if err != nil {
		panic(err)
	}
	gradients := make([]Tensor, len(inputs))
	for i := range results {
		gradients[i] = adopt(&results[i], scope)
	}
	return gradients
}

// mustFit panics when a gradient has not the shape of its tensor, as PyTorch does:
// libtorch would sum it up to that shape where it can.
func mustFit(gradient, t Tensor) {
	if want, got := t.Shape(), gradient.Shape(); !slices.Equal(want, got) {
		panic(&Error{Op: "torch", Text: fmt.Sprintf("the gradient of a tensor of shape %v has shape %v; give it the tensor's", want, got)})
	}
}

// pointers lists the tensors as libtorch wants them. The caller keeps them alive.
func pointers(tensors []Tensor) []libtorch.Value {
	list := make([]libtorch.Value, len(tensors))
	for i, t := range tensors {
		list[i] = libtorch.TensorValue(t.pointer())
	}
	return list
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
	err := libtorch.ClearGrads(pointers(tensors))
	runtime.KeepAlive(tensors)
	if err != nil {
		panic(err)
	}
}
