package torch

import (
	"fmt"
	"unsafe"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

var (
	opEmpty    = libtorch.NewOp("aten::empty.memory_format")
	opZeros    = libtorch.NewOp("aten::zeros")
	opOnes     = libtorch.NewOp("aten::ones")
	opFull     = libtorch.NewOp("aten::full")
	opRand     = libtorch.NewOp("aten::rand.generator")
	opRandN    = libtorch.NewOp("aten::randn.generator")
	opRandInt  = libtorch.NewOp("aten::randint.low_generator")
	opRandPerm = libtorch.NewOp("aten::randperm.generator")
	opEye      = libtorch.NewOp("aten::eye.m")
	opArange   = libtorch.NewOp("aten::arange.start_step")
	opLinspace = libtorch.NewOp("aten::linspace")
	opLogspace = libtorch.NewOp("aten::logspace")
)

// Options say what a constructor makes. The zero value is what the constructors
// with gotorch's names make: float32, on the CPU, without gradient, from libtorch's
// default generator.
type Options struct {
	DType        *int8  // nil for Float; Long for RandInt and RandPerm
	Device       Device // where the elements are
	RequiresGrad bool
	PinMemory    bool       // CPU memory that CUDA copies from directly
	Generator    *Generator // of the random constructors
}

// DType makes the value of Options.DType.
func DType(dtype int8) *int8 { return &dtype }

// The constructors with gotorch's names make float32 tensors on the CPU and panic.
// The With forms make any other, and their Try forms return an error, such as of a
// negative size, an operator that has no such dtype, or too little memory.

// Empty makes a float32 tensor of that shape whose elements are not set.
func Empty(shape []int64, requiresGrad bool) Tensor {
	return EmptyWith(shape, Options{RequiresGrad: requiresGrad})
}

// Zeros makes a float32 tensor of zeros.
func Zeros(shape []int64, requiresGrad bool) Tensor {
	return ZerosWith(shape, Options{RequiresGrad: requiresGrad})
}

// Ones makes a float32 tensor of ones.
func Ones(shape []int64, requiresGrad bool) Tensor {
	return OnesWith(shape, Options{RequiresGrad: requiresGrad})
}

// Full makes a float32 tensor with all elements equal to value.
func Full(shape []int64, value float32, requiresGrad bool) Tensor {
	return FullWith(shape, float64(value), Options{RequiresGrad: requiresGrad})
}

// Rand makes a float32 tensor of uniform random numbers in [0, 1).
func Rand(shape []int64, requiresGrad bool) Tensor {
	return RandWith(shape, Options{RequiresGrad: requiresGrad})
}

// RandN makes a float32 tensor of standard normal random numbers.
func RandN(shape []int64, requiresGrad bool) Tensor {
	return RandNWith(shape, Options{RequiresGrad: requiresGrad})
}

// Eye makes a float32 matrix [n, m] with ones on its diagonal and zeros elsewhere.
func Eye(n, m int64, requiresGrad bool) Tensor {
	return EyeWith(n, m, Options{RequiresGrad: requiresGrad})
}

// Arange makes a float32 vector begin, begin+step, … before end.
func Arange(begin, end, step float32, requiresGrad bool) Tensor {
	return ArangeWith(float64(begin), float64(end), float64(step), Options{RequiresGrad: requiresGrad})
}

// Linspace makes a float32 vector of that many evenly spaced steps from begin to
// end, both included.
func Linspace(begin, end float32, steps int64, requiresGrad bool) Tensor {
	return LinspaceWith(float64(begin), float64(end), steps, Options{RequiresGrad: requiresGrad})
}

// Logspace makes a float32 vector of the powers of base with the exponents of
// Linspace.
func Logspace(begin, end float32, steps int64, base float64, requiresGrad bool) Tensor {
	return LogspaceWith(float64(begin), float64(end), steps, base, Options{RequiresGrad: requiresGrad})
}

// EmptyWith makes a tensor of that shape whose elements are not set.
func EmptyWith(shape []int64, o Options) Tensor { return must(TryEmptyWith(shape, o)) }

// TryEmptyWith is EmptyWith with an error for its panic.
func TryEmptyWith(shape []int64, o Options) (Tensor, error) {
	var c call
	c.Ints(shape...)
	c.options(o, Float).None()
	return c.made(opEmpty, o)
}

// ZerosWith makes a tensor of zeros.
func ZerosWith(shape []int64, o Options) Tensor { return must(TryZerosWith(shape, o)) }

// TryZerosWith is ZerosWith with an error for its panic.
func TryZerosWith(shape []int64, o Options) (Tensor, error) {
	var c call
	c.Ints(shape...)
	return c.create(opZeros, o, Float)
}

// OnesWith makes a tensor of ones.
func OnesWith(shape []int64, o Options) Tensor { return must(TryOnesWith(shape, o)) }

// TryOnesWith is OnesWith with an error for its panic.
func TryOnesWith(shape []int64, o Options) (Tensor, error) {
	var c call
	c.Ints(shape...)
	return c.create(opOnes, o, Float)
}

// FullWith makes a tensor with all elements equal to value.
func FullWith(shape []int64, value float64, o Options) Tensor {
	return must(TryFullWith(shape, value, o))
}

// TryFullWith is FullWith with an error for its panic.
func TryFullWith(shape []int64, value float64, o Options) (Tensor, error) {
	var c call
	c.Ints(shape...).Float(value)
	return c.create(opFull, o, Float)
}

// RandWith makes a tensor of uniform random numbers in [0, 1).
func RandWith(shape []int64, o Options) Tensor { return must(TryRandWith(shape, o)) }

// TryRandWith is RandWith with an error for its panic.
func TryRandWith(shape []int64, o Options) (Tensor, error) {
	var c call
	c.Ints(shape...)
	c.generator(o.Generator)
	return c.create(opRand, o, Float)
}

// RandNWith makes a tensor of standard normal random numbers.
func RandNWith(shape []int64, o Options) Tensor { return must(TryRandNWith(shape, o)) }

// TryRandNWith is RandNWith with an error for its panic.
func TryRandNWith(shape []int64, o Options) (Tensor, error) {
	var c call
	c.Ints(shape...)
	c.generator(o.Generator)
	return c.create(opRandN, o, Float)
}

// RandInt makes a tensor (Long unless o says otherwise) of uniform random integers
// in [low, high).
func RandInt(low, high int64, shape []int64, o Options) Tensor {
	return must(TryRandInt(low, high, shape, o))
}

// TryRandInt is RandInt with an error for its panic.
func TryRandInt(low, high int64, shape []int64, o Options) (Tensor, error) {
	var c call
	c.Int(low).Int(high).Ints(shape...)
	c.generator(o.Generator)
	return c.create(opRandInt, o, Long)
}

// RandPerm makes a vector (Long unless o says otherwise) of 0 … n-1 in random order.
func RandPerm(n int64, o Options) Tensor { return must(TryRandPerm(n, o)) }

// TryRandPerm is RandPerm with an error for its panic.
func TryRandPerm(n int64, o Options) (Tensor, error) {
	var c call
	c.Int(n)
	c.generator(o.Generator)
	return c.create(opRandPerm, o, Long)
}

// EyeWith makes a matrix [n, m] with ones on its diagonal and zeros elsewhere.
func EyeWith(n, m int64, o Options) Tensor { return must(TryEyeWith(n, m, o)) }

// TryEyeWith is EyeWith with an error for its panic.
func TryEyeWith(n, m int64, o Options) (Tensor, error) {
	var c call
	c.Int(n).Int(m)
	return c.create(opEye, o, Float)
}

// ArangeWith makes a vector begin, begin+step, … before end.
func ArangeWith(begin, end, step float64, o Options) Tensor {
	return must(TryArangeWith(begin, end, step, o))
}

// TryArangeWith is ArangeWith with an error for its panic.
func TryArangeWith(begin, end, step float64, o Options) (Tensor, error) {
	var c call
	c.Float(begin).Float(end).Float(step)
	return c.create(opArange, o, Float)
}

// LinspaceWith makes a vector of that many evenly spaced steps from begin to end,
// both included.
func LinspaceWith(begin, end float64, steps int64, o Options) Tensor {
	return must(TryLinspaceWith(begin, end, steps, o))
}

// TryLinspaceWith is LinspaceWith with an error for its panic.
func TryLinspaceWith(begin, end float64, steps int64, o Options) (Tensor, error) {
	var c call
	c.Float(begin).Float(end).Int(steps)
	return c.create(opLinspace, o, Float)
}

// LogspaceWith makes a vector of the powers of base with the exponents of
// LinspaceWith.
func LogspaceWith(begin, end float64, steps int64, base float64, o Options) Tensor {
	return must(TryLogspaceWith(begin, end, steps, base, o))
}

// TryLogspaceWith is LogspaceWith with an error for its panic.
func TryLogspaceWith(begin, end float64, steps int64, base float64, o Options) (Tensor, error) {
	var c call
	c.Float(begin).Float(end).Int(steps).Float(base)
	return c.create(opLogspace, o, Float)
}

// options adds dtype, layout, device and pinned memory.
func (c *call) options(o Options, standard int8) *call {
	if o.DType != nil {
		standard = *o.DType
	}
	c.dtype(standard)
	c.None().Device(o.Device.kind, o.Device.index).Bool(o.PinMemory)
	return c
}

// create runs a constructor whose arguments end with the options.
func (c *call) create(op *libtorch.Op, o Options, standard int8) (Tensor, error) {
	return c.options(o, standard).made(op, o)
}

func (c *call) made(op *libtorch.Op, o Options) (Tensor, error) {
	t, err := c.try(op)
	if err != nil || !o.RequiresGrad {
		return t, err
	}
	if err := Try(func() { t.SetRequiresGrad(true) }); err != nil {
		t.Close()
		return Tensor{}, err
	}
	return t, nil
}

// Number is an element type of Go that a tensor can hold.
type Number interface {
	uint8 | int8 | int16 | int32 | int64 | float32 | float64
}

// FromSlice makes a CPU tensor of that shape with a copy of data, which is in
// row-major order.
func FromSlice[T Number](data []T, shape ...int64) Tensor {
	return must(TryFromSlice(data, shape...))
}

// TryFromSlice is FromSlice with an error for its panic: data that does not fill the
// shape.
func TryFromSlice[T Number](data []T, shape ...int64) (Tensor, error) {
	var zero T
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), len(data)*int(unsafe.Sizeof(zero)))
	return TryFromBytes(raw, dtypeOf(zero), shape...)
}

// FromBytes is FromSlice for elements of any type in the machine's byte order,
// such as Half and BFloat16, which Go does not have.
func FromBytes(data []byte, dtype int8, shape ...int64) Tensor {
	return must(TryFromBytes(data, dtype, shape...))
}

// TryFromBytes is FromBytes with an error for its panic.
func TryFromBytes(data []byte, dtype int8, shape ...int64) (Tensor, error) {
	if err := checkDType(dtype); err != nil {
		return Tensor{}, err
	}
	r, scope, err := libtorch.FromData(data, int64(dtype), shape)
	if err != nil {
		return Tensor{}, err
	}
	return adopt(&r, scope), nil
}

// Slice copies the tensor's elements out, in row-major order, from whatever
// device it is on. It panics when T is not the tensor's element type.
func Slice[T Number](t Tensor) []T { return must(TrySlice[T](t)) }

// TrySlice is Slice with an error for its panic.
func TrySlice[T Number](t Tensor) (data []T, err error) {
	err = Try(func() {
		var zero T
		info := t.info()
		if int8(info.DType) != dtypeOf(zero) {
			panic(&Error{Op: "torch.Slice", Text: fmt.Sprintf("the tensor's dtype is %d, not that of %T", info.DType, zero)})
		}
		data = make([]T, info.Numel)
		t.Read(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), info.Bytes))
	})
	return data, err
}

func dtypeOf(v any) int8 {
	switch v.(type) {
	case uint8:
		return Byte
	case int8:
		return Char
	case int16:
		return Short
	case int32:
		return Int
	case int64:
		return Long
	case float32:
		return Float
	case float64:
		return Double
	}
	panic(fmt.Sprintf("BUG: no dtype for %T", v))
}
