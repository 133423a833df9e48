package torch

import (
	"fmt"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
	"github.com/torchlit/torchlit/torch/variadic"
)

// Most operators are declared in the folder operators, and their functions written
// by opgen. Here are those whose Go form is not simply a call of one operator.
//
//go:generate go run ./internal/opgen

var (
	opSum        = libtorch.NewOp("aten::sum")
	opSqueeze    = libtorch.NewOp("aten::squeeze")
	opSqueezeDim = libtorch.NewOp("aten::squeeze.dim")
	opArgmax     = libtorch.NewOp("aten::argmax")
	opArgmin     = libtorch.NewOp("aten::argmin")
	opItem       = libtorch.NewOp("aten::_local_scalar_dense")
	opCopyI      = libtorch.NewOp("aten::copy_")
	opTo         = libtorch.NewOp("aten::_to_copy")
	opFillI      = libtorch.NewOp("aten::fill_.Scalar")
	opNormalI    = libtorch.NewOp("aten::normal_")
	opUniformI   = libtorch.NewOp("aten::uniform_")
)

// Sum returns the sum of all elements; Bool elements count as 0 and 1. Options, by
// gotorch's names: "dim" (an integer) sums along that dimension only, which
// "keepDim" (a bool) leaves in place with size 1. [SumDims] is the typed form.
func Sum(a Tensor, opt ...map[string]interface{}) Tensor { return must(TrySum(a, opt...)) }

// TrySum is Sum with an error for its panic.
func TrySum(a Tensor, opt ...map[string]interface{}) (Tensor, error) {
	dim, along := variadic.Lookup(opt, "dim")
	if !along {
		var c call
		c.tensor(a).None()
		return c.try(opSum)
	}
	d, err := integer("dim", dim)
	if err != nil {
		return Tensor{}, err
	}
	keepDim, err := boolean("keepDim", variadic.Get(opt, "keepDim", false))
	if err != nil {
		return Tensor{}, err
	}
	return TrySumDims(a, []int64{d}, keepDim)
}

// Sum is the function Sum with a as its first argument.
func (a Tensor) Sum(opt ...map[string]interface{}) Tensor { return Sum(a, opt...) }

// Squeeze removes dim when its size is 1; without dim, all dimensions of size 1.
func Squeeze(t Tensor, dim ...int64) Tensor { return must(TrySqueeze(t, dim...)) }

// TrySqueeze is Squeeze with an error for its panic.
func TrySqueeze(t Tensor, dim ...int64) (Tensor, error) {
	var c call
	c.tensor(t)
	switch len(dim) {
	case 0:
		return c.try(opSqueeze)
	case 1:
		c.Int(dim[0])
		return c.try(opSqueezeDim)
	}
	return Tensor{}, &Error{Op: "torch.Squeeze", Text: "more than one dimension; squeeze them one after another"}
}

// Squeeze is the function Squeeze with t as its first argument.
func (t Tensor) Squeeze(dim ...int64) Tensor { return Squeeze(t, dim...) }

// Argmax returns the index (Long) of the largest element of all, seen as a vector.
// With an integer it returns the indices along that dimension, which a bool true
// after it leaves in place with size 1. [ArgmaxDim] is the typed form.
func (t Tensor) Argmax(opts ...interface{}) Tensor { return must(t.extreme(opArgmax, opts)) }

// Argmin is Argmax of the smallest element.
func (t Tensor) Argmin(opts ...interface{}) Tensor { return must(t.extreme(opArgmin, opts)) }

func (t Tensor) extreme(op *libtorch.Op, opts []interface{}) (Tensor, error) {
	if len(opts) > 2 {
		return Tensor{}, &Error{Op: "torch.Argmax", Text: "it takes at most a dimension and whether to keep it"}
	}
	var c call
	c.tensor(t)
	keep := false
	if len(opts) == 0 {
		c.None()
	} else {
		dim, err := integer("dim", opts[0])
		if err != nil {
			return Tensor{}, err
		}
		c.Int(dim)
	}
	if len(opts) == 2 {
		var err error
		if keep, err = boolean("keepDim", opts[1]); err != nil {
			return Tensor{}, err
		}
	}
	c.Bool(keep)
	return c.try(op)
}

// Index returns the element at that position, a tensor without dimensions; with
// fewer numbers than t has dimensions, the slice there. Negative ones count from the
// end. The memory is shared.
func (t Tensor) Index(index ...int64) Tensor {
	at := t
	for _, i := range index {
		next := Select(at, 0, i)
		if at.T != t.T {
			at.Close()
		}
		at = next
	}
	if at.T == t.T {
		return t.View(t.Shape()...)
	}
	return at
}

// Float64 returns the only element of t as a number.
func (t Tensor) Float64() float64 {
	var c call
	c.tensor(t)
	r := c.number(opItem)
	return r.Float()
}

// CopyI overwrites t with other's elements, converted and broadcast, and returns t.
func (t Tensor) CopyI(other Tensor) Tensor {
	var c call
	c.tensor(t).tensor(other).Bool(false)
	return c.runInPlace(opCopyI, t)
}

// FillI sets all elements to value and returns t.
func (t Tensor) FillI(value float64) Tensor {
	var c call
	c.tensor(t).Float(value)
	return c.runInPlace(opFillI, t)
}

// NormalI fills t with normal random numbers and returns it.
func (t Tensor) NormalI(mean, std float64, generator ...*Generator) Tensor {
	var c call
	c.tensor(t).Float(mean).Float(std)
	c.oneGenerator(generator)
	return c.runInPlace(opNormalI, t)
}

// UniformI fills t with uniform random numbers in [from, to) and returns it.
func (t Tensor) UniformI(from, to float64, generator ...*Generator) Tensor {
	var c call
	c.tensor(t).Float(from).Float(to)
	c.oneGenerator(generator)
	return c.runInPlace(opUniformI, t)
}

// A MemoryFormat is the order in which a tensor's elements lie in memory.
type MemoryFormat int64

// The memory formats, with the numbers of c10::MemoryFormat.
const (
	ContiguousFormat MemoryFormat = 0 // row-major: [N, C, H, W]
	ChannelsLast     MemoryFormat = 2 // as if [N, H, W, C]; what convolutions like best
)

// Reduction says what a loss does with the values of a batch. The numbers are
// libtorch's.
type Reduction int64

// The reductions of a loss.
const (
	ReduceNone Reduction = 0
	ReduceMean Reduction = 1
	ReduceSum  Reduction = 2
)

// To returns a copy of a on a device, with elements of that type.
func To(a Tensor, device Device, dtype int8) Tensor { return must(TryTo(a, device, dtype)) }

// TryTo is To with an error for its panic.
func TryTo(a Tensor, device Device, dtype int8) (Tensor, error) {
	var c call
	c.tensor(a).dtype(dtype).None().Device(device.kind, device.index).None().Bool(false).None()
	return c.try(opTo)
}

// To is the function To; without a dtype the elements keep theirs.
func (t Tensor) To(device Device, dtype ...int8) Tensor {
	if len(dtype) == 0 {
		return To(t, device, t.Dtype())
	}
	return To(t, device, dtype[0])
}

// CastTo returns a copy of t with elements of that type.
func (t Tensor) CastTo(dtype int8) Tensor { return To(t, t.Device(), dtype) }

// integer reads an option that is an integer of any of Go's types for one.
func integer(name string, v interface{}) (int64, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case int32:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case int8:
		return int64(v), nil
	}
	return 0, optionError(name, "an integer", v)
}

func boolean(name string, v interface{}) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, optionError(name, "a bool", v)
	}
	return b, nil
}

func optionError(name, want string, got interface{}) error {
	return &Error{Op: "torch", Text: fmt.Sprintf("option %q is %v (%T); give %s", name, got, got, want)}
}
