package torch

import "github.com/torchlit/torchlit/torch/internal/libtorch"

var (
	opAdd        = libtorch.NewOp("aten::add.Tensor")
	opAddI       = libtorch.NewOp("aten::add_.Tensor")
	opSub        = libtorch.NewOp("aten::sub.Tensor")
	opMul        = libtorch.NewOp("aten::mul.Tensor")
	opMulScalar  = libtorch.NewOp("aten::mul.Scalar")
	opMulScalarI = libtorch.NewOp("aten::mul_.Scalar")
	opDiv        = libtorch.NewOp("aten::div.Tensor")
	opEq         = libtorch.NewOp("aten::eq.Tensor")
	opMM         = libtorch.NewOp("aten::mm")
	opFlatten    = libtorch.NewOp("aten::flatten.using_ints")
	opView       = libtorch.NewOp("aten::view")
	opPermute    = libtorch.NewOp("aten::permute")
	opTranspose  = libtorch.NewOp("aten::transpose.int")
	opRelu       = libtorch.NewOp("aten::relu")
	opReluI      = libtorch.NewOp("aten::relu_")
	opLogSoftmax = libtorch.NewOp("aten::log_softmax.int")
	opSoftmax    = libtorch.NewOp("aten::softmax.int")
	opSum        = libtorch.NewOp("aten::sum")
	opMean       = libtorch.NewOp("aten::mean")
	opMeanDim    = libtorch.NewOp("aten::mean.dim")
	opArgmax     = libtorch.NewOp("aten::argmax")
	opTopK       = libtorch.NewOp("aten::topk")
	opItem       = libtorch.NewOp("aten::_local_scalar_dense")
	opDetach     = libtorch.NewOp("aten::detach")
	opCopyI      = libtorch.NewOp("aten::copy_")
	opContiguous = libtorch.NewOp("aten::contiguous")
	opTo         = libtorch.NewOp("aten::_to_copy")
	opFillI      = libtorch.NewOp("aten::fill_.Scalar")
	opNormalI    = libtorch.NewOp("aten::normal_")
	opUniformI   = libtorch.NewOp("aten::uniform_")
)

// Add returns a + alpha·other, broadcast.
func Add(a, other Tensor, alpha float32) Tensor {
	var c call
	c.tensor(a).tensor(other).Float(float64(alpha))
	return c.run(opAdd)
}

// Add is the function Add.
func (a *Tensor) Add(other Tensor, alpha float32) Tensor { return Add(*a, other, alpha) }

// AddI is Add in place.
func (a *Tensor) AddI(other Tensor, alpha float32) Tensor {
	var c call
	c.tensor(*a).tensor(other).Float(float64(alpha))
	return c.run(opAddI)
}

// Sub returns a - alpha·other, broadcast.
func Sub(a, other Tensor, alpha float32) Tensor {
	var c call
	c.tensor(a).tensor(other).Float(float64(alpha))
	return c.run(opSub)
}

// Mul returns a·other by element, broadcast.
func Mul(a, other Tensor) Tensor {
	var c call
	return c.tensor(a).tensor(other).run(opMul)
}

// MulScalar returns a·x by element.
func MulScalar(a Tensor, x float64) Tensor {
	var c call
	c.tensor(a).Float(x)
	return c.run(opMulScalar)
}

// MulScalarI is MulScalar in place.
func MulScalarI(a Tensor, x float64) Tensor {
	var c call
	c.tensor(a).Float(x)
	return c.run(opMulScalarI)
}

// Div returns a/other by element, broadcast.
func Div(a, other Tensor) Tensor {
	var c call
	return c.tensor(a).tensor(other).run(opDiv)
}

// Eq returns a Bool tensor: a == other by element, broadcast.
func Eq(a, other Tensor) Tensor {
	var c call
	return c.tensor(a).tensor(other).run(opEq)
}

// MM returns the product of the matrices a [n, m] and b [m, p].
func MM(a, b Tensor) Tensor {
	var c call
	return c.tensor(a).tensor(b).run(opMM)
}

// Flatten joins the dimensions start to end, both included, into one.
func Flatten(a Tensor, start, end int64) Tensor {
	var c call
	c.tensor(a).Int(start).Int(end)
	return c.run(opFlatten)
}

// View returns a's elements under another shape; one size may be -1.
func View(a Tensor, shape ...int64) Tensor {
	var c call
	c.tensor(a).Ints(shape...)
	return c.run(opView)
}

// View is the function View.
func (a Tensor) View(shape ...int64) Tensor { return View(a, shape...) }

// Permute reorders the dimensions.
func (a *Tensor) Permute(dims []int64) Tensor {
	var c call
	c.tensor(*a).Ints(dims...)
	return c.run(opPermute)
}

// Transpose swaps two dimensions.
func Transpose(a Tensor, dim0, dim1 int64) Tensor {
	var c call
	c.tensor(a).Int(dim0).Int(dim1)
	return c.run(opTranspose)
}

// Relu returns max(a, 0) by element.
func Relu(a Tensor) Tensor {
	var c call
	return c.tensor(a).run(opRelu)
}

// ReluI is Relu in place.
func ReluI(a Tensor) Tensor {
	var c call
	return c.tensor(a).run(opReluI)
}

// LogSoftmax returns the logarithm of the softmax along dim.
func LogSoftmax(a Tensor, dim int64) Tensor {
	var c call
	c.tensor(a).Int(dim).None()
	return c.run(opLogSoftmax)
}

// Softmax returns the softmax along dim.
func Softmax(a Tensor, dim int64) Tensor {
	var c call
	c.tensor(a).Int(dim).None()
	return c.run(opSoftmax)
}

// SumAll returns the sum of all elements; Bool elements count as 0 and 1.
func SumAll(a Tensor) Tensor {
	var c call
	c.tensor(a).None()
	return c.run(opSum)
}

// Mean returns the mean of all elements.
func Mean(a Tensor) Tensor {
	var c call
	c.tensor(a).None()
	return c.run(opMean)
}

// MeanDims returns the mean over the given dimensions.
func MeanDims(a Tensor, dims []int64, keepDim bool) Tensor {
	var c call
	c.tensor(a).Ints(dims...).Bool(keepDim).None()
	return c.run(opMeanDim)
}

// ArgmaxDim returns the index (Long) of the largest element along dim.
func ArgmaxDim(a Tensor, dim int64) Tensor {
	var c call
	c.tensor(a).Int(dim).Bool(false)
	return c.run(opArgmax)
}

// TopK returns the k largest (or smallest) elements along dim, and their
// indices (Long).
func TopK(a Tensor, k, dim int64, largest, sorted bool) (Tensor, Tensor) {
	var c call
	c.tensor(a).Int(k).Int(dim).Bool(largest).Bool(sorted)
	return c.run2(opTopK)
}

// Float64 returns the only element of t as a number.
func (t Tensor) Float64() float64 {
	var c call
	r := c.tensor(t).number(opItem)
	return r.Float()
}

// Detach returns t's elements outside the recording for Backward. The storage
// is shared.
func (t *Tensor) Detach() Tensor {
	var c call
	return c.tensor(*t).run(opDetach)
}

// CopyI overwrites t with other's elements, converted and broadcast.
func (t Tensor) CopyI(other Tensor) Tensor {
	var c call
	c.tensor(t).tensor(other).Bool(false)
	return c.run(opCopyI)
}

// FillI sets all elements to value.
func (t Tensor) FillI(value float64) Tensor {
	var c call
	c.tensor(t).Float(value)
	return c.run(opFillI)
}

// NormalI fills t with normal random numbers.
func (t Tensor) NormalI(mean, std float64) Tensor {
	var c call
	c.tensor(t).Float(mean).Float(std).None()
	return c.run(opNormalI)
}

// UniformI fills t with uniform random numbers in [from, to).
func (t Tensor) UniformI(from, to float64) Tensor {
	var c call
	c.tensor(t).Float(from).Float(to).None()
	return c.run(opUniformI)
}

// A MemoryFormat is the order in which a tensor's elements lie in memory.
type MemoryFormat int64

// The memory formats, with the numbers of c10::MemoryFormat.
const (
	ContiguousFormat MemoryFormat = 0 // row-major: [N, C, H, W]
	ChannelsLast     MemoryFormat = 2 // as if [N, H, W, C]; what convolutions like best
)

// Contiguous returns t with its elements in that order; t itself when they are.
func (t Tensor) Contiguous(format MemoryFormat) Tensor {
	var c call
	c.tensor(t).Int(int64(format))
	return c.run(opContiguous)
}

// To returns a copy of a on a device, with elements of that type.
func To(a Tensor, device Device, dtype int8) Tensor {
	var c call
	c.tensor(a).Int(int64(dtype)).None().Device(device.kind, device.index).None().Bool(false).None()
	return c.run(opTo)
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
