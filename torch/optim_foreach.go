package torch

import (
	"fmt"
	"slices"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// The operators below do the same to each tensor of a list, on a CUDA device in
// one kernel for many tensors. Tensors of one list share dtype and device; the
// lists of one call are equally long.
var (
	opForeachAddList      = libtorch.NewOp("aten::_foreach_add.List")
	opForeachAddListI     = libtorch.NewOp("aten::_foreach_add_.List")
	opForeachAddScalarI   = libtorch.NewOp("aten::_foreach_add_.Scalar")
	opForeachMulScalarI   = libtorch.NewOp("aten::_foreach_mul_.Scalar")
	opForeachMulTensorI   = libtorch.NewOp("aten::_foreach_mul_.Tensor")
	opForeachAddcmul      = libtorch.NewOp("aten::_foreach_addcmul.Scalar")
	opForeachAddcmulI     = libtorch.NewOp("aten::_foreach_addcmul_.Scalar")
	opForeachAddcdivI     = libtorch.NewOp("aten::_foreach_addcdiv_.Scalar")
	opForeachLerpScalarI  = libtorch.NewOp("aten::_foreach_lerp_.Scalar")
	opForeachSqrt         = libtorch.NewOp("aten::_foreach_sqrt")
	opForeachNorm         = libtorch.NewOp("aten::_foreach_norm.Scalar")
	opForeachClampMinI    = libtorch.NewOp("aten::_foreach_clamp_min_.Scalar")
	opForeachClampMaxI    = libtorch.NewOp("aten::_foreach_clamp_max_.Scalar")
	opForeachCheckUnscale = libtorch.NewOp("aten::_amp_foreach_non_finite_check_and_unscale_")
)

// each runs an operator whose result is a list of n tensors.
func (c *call) each(op *libtorch.Op, n int) []Tensor {
	results := make([]libtorch.Result, n)
	n, scope, err := c.do(op, results)
	check(err)
	list := make([]Tensor, n)
	for i := range list {
		list[i] = adopt(&results[i], scope)
	}
	return list
}

// foreachAdd returns a + alpha·b.
func foreachAdd(a, b []Tensor, alpha float64) []Tensor {
	var c call
	c.tensors(a).tensors(b).Float(alpha)
	return c.each(opForeachAddList, len(a))
}

// foreachAddI adds alpha·b to a.
func foreachAddI(a, b []Tensor, alpha float64) {
	var c call
	c.tensors(a).tensors(b).Float(alpha)
	c.exec(opForeachAddListI)
}

// foreachAddScalar adds x to a.
func foreachAddScalar(a []Tensor, x float64) {
	var c call
	c.tensors(a).Float(x)
	c.exec(opForeachAddScalarI)
}

// foreachMulScalar multiplies a by x.
func foreachMulScalar(a []Tensor, x float64) {
	var c call
	c.tensors(a).Float(x)
	c.exec(opForeachMulScalarI)
}

// foreachMulTensor multiplies a by x, a tensor of one element on its device.
func foreachMulTensor(a []Tensor, x Tensor) {
	var c call
	c.tensors(a).tensor(x)
	c.exec(opForeachMulTensorI)
}

// foreachPlusProduct returns a + x·b·d.
func foreachPlusProduct(a, b, d []Tensor, x float64) []Tensor {
	var c call
	c.tensors(a).tensors(b).tensors(d).Float(x)
	return c.each(opForeachAddcmul, len(a))
}

// foreachAddProduct adds x·b·d to a.
func foreachAddProduct(a, b, d []Tensor, x float64) {
	var c call
	c.tensors(a).tensors(b).tensors(d).Float(x)
	c.exec(opForeachAddcmulI)
}

// foreachAddQuotient adds x·b/d to a.
func foreachAddQuotient(a, b, d []Tensor, x float64) {
	var c call
	c.tensors(a).tensors(b).tensors(d).Float(x)
	c.exec(opForeachAddcdivI)
}

// foreachLerp moves a by the share x of its way to b.
func foreachLerp(a, b []Tensor, x float64) {
	var c call
	c.tensors(a).tensors(b).Float(x)
	c.exec(opForeachLerpScalarI)
}

// foreachSquareRoot returns the square roots of the elements of a.
func foreachSquareRoot(a []Tensor) []Tensor {
	var c call
	return c.tensors(a).each(opForeachSqrt, len(a))
}

// foreachNorm returns the norm of that order of each tensor.
func foreachNorm(a []Tensor, order float64) []Tensor {
	var c call
	c.tensors(a).Float(order).None()
	return c.each(opForeachNorm, len(a))
}

// foreachClamp cuts the elements of a to low…high.
func foreachClamp(a []Tensor, low, high float64) {
	var lower, upper call
	lower.tensors(a).Float(low)
	lower.exec(opForeachClampMinI)
	upper.tensors(a).Float(high)
	upper.exec(opForeachClampMaxI)
}

// foreachCheckUnscale multiplies a by factor, and sets found, a Float scalar, to
// 1 when an element was infinite or no number.
func foreachCheckUnscale(a []Tensor, found, factor Tensor) {
	var c call
	c.tensors(a).tensor(found).tensor(factor)
	c.exec(opForeachCheckUnscale)
}

// LerpAll moves each tensor of a, in place, by the share weight of its way to the
// tensor of b at its place in the list: an exponential moving average of many tensors
// in a few calls. The lists are equally long; tensors of a pair have one shape, dtype
// and device. Integer tensors are copied from b instead. No gradients are recorded.
// It panics when libtorch refuses.
func LerpAll(a, b []Tensor, weight float64) {
	if len(a) != len(b) {
		panic(&Error{Op: "torch.LerpAll", Text: fmt.Sprintf("%d tensors are to go to %d; pass as many", len(a), len(b))})
	}
	type pair struct{ a, b []Tensor }
	byPlace := map[place]*pair{}
	NoGrad(func() {
		for i := range a {
			info := a[i].info()
			at := placeOf(&info)
			if !slices.Contains([]int8{Half, Float, Double, BFloat16}, int8(at.dtype)) {
				a[i].CopyI(b[i])
				continue
			}
			p := byPlace[at]
			if p == nil {
				p = &pair{}
				byPlace[at] = p
			}
			p.a, p.b = append(p.a, a[i]), append(p.b, b[i])
		}
		for _, p := range byPlace {
			foreachLerp(p.a, p.b, weight)
		}
	})
}
