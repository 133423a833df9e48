package torch

import (
	"fmt"
	"unsafe"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

var (
	opEmpty = libtorch.NewOp("aten::empty.memory_format")
	opZeros = libtorch.NewOp("aten::zeros")
	opOnes  = libtorch.NewOp("aten::ones")
	opFull  = libtorch.NewOp("aten::full")
	opRand  = libtorch.NewOp("aten::rand")
	opRandN = libtorch.NewOp("aten::randn")
)

// options adds dtype float32 and what else a constructor takes after its sizes:
// layout, device and pinned memory, all left at their defaults.
func (c *call) options() *call {
	c.Int(int64(Float)).None().None().None()
	return c
}

func (t Tensor) requiring(grad bool) Tensor {
	if grad {
		t.SetRequiresGrad(true)
	}
	return t
}

// Empty makes a float32 tensor of that shape whose elements are not set.
func Empty(shape []int64, requiresGrad bool) Tensor {
	var c call
	c.Ints(shape...)
	c.options().None()
	return c.run(opEmpty).requiring(requiresGrad)
}

// Zeros makes a float32 tensor of zeros.
func Zeros(shape []int64, requiresGrad bool) Tensor {
	var c call
	c.Ints(shape...)
	return c.options().run(opZeros).requiring(requiresGrad)
}

// Ones makes a float32 tensor of ones.
func Ones(shape []int64, requiresGrad bool) Tensor {
	var c call
	c.Ints(shape...)
	return c.options().run(opOnes).requiring(requiresGrad)
}

// Full makes a float32 tensor with all elements equal to value.
func Full(shape []int64, value float32, requiresGrad bool) Tensor {
	var c call
	c.Ints(shape...).Float(float64(value))
	return c.options().run(opFull).requiring(requiresGrad)
}

// Rand makes a float32 tensor of uniform random numbers in [0, 1).
func Rand(shape []int64, requiresGrad bool) Tensor {
	var c call
	c.Ints(shape...)
	return c.options().run(opRand).requiring(requiresGrad)
}

// RandN makes a float32 tensor of standard normal random numbers.
func RandN(shape []int64, requiresGrad bool) Tensor {
	var c call
	c.Ints(shape...)
	return c.options().run(opRandN).requiring(requiresGrad)
}

// Number is an element type of Go that a tensor can hold.
type Number interface {
	uint8 | int8 | int16 | int32 | int64 | float32 | float64
}

// FromSlice makes a CPU tensor of that shape with a copy of data, which is in
// row-major order.
func FromSlice[T Number](data []T, shape ...int64) Tensor {
	var zero T
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), len(data)*int(unsafe.Sizeof(zero)))
	return FromBytes(raw, dtypeOf(zero), shape...)
}

// FromBytes is FromSlice for elements of any type in the machine's byte order,
// such as Half and BFloat16, which Go does not have.
func FromBytes(data []byte, dtype int8, shape ...int64) Tensor {
	r, scope, err := libtorch.FromData(data, int64(dtype), shape)
	if err != nil {
		panic(err)
	}
	return adopt(&r, scope)
}

// Slice copies the tensor's elements out, in row-major order, from whatever
// device it is on. It panics when T is not the tensor's element type.
func Slice[T Number](t Tensor) []T {
	var zero T
	info := t.info()
	if int8(info.DType) != dtypeOf(zero) {
		panic(&Error{Op: "torch.Slice", Text: fmt.Sprintf("the tensor's dtype is %d, not that of %T", info.DType, zero)})
	}
	data := make([]T, info.Numel)
	t.Read(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), info.Bytes))
	return data
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
