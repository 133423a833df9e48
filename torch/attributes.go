package torch

import (
	"runtime"
	"slices"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

func (t Tensor) info() libtorch.Info {
	var info libtorch.Info
	err := libtorch.Describe(t.pointer(), &info)
	runtime.KeepAlive(t.T)
	if err != nil {
		panic(err)
	}
	return info
}

// Dim tells the number of dimensions.
func (t Tensor) Dim() int64 { return t.info().Dims }

// Shape tells the size of each dimension.
func (t Tensor) Shape() []int64 {
	info := t.info()
	return slices.Clone(info.Sizes[:info.Dims])
}

// Strides tells how many elements apart neighbours along each dimension lie.
func (t Tensor) Strides() []int64 {
	info := t.info()
	return slices.Clone(info.Strides[:info.Dims])
}

// Numel tells the number of elements.
func (t Tensor) Numel() int64 { return t.info().Numel }

// Dtype tells the type of the elements, one of [Byte] … [BFloat16].
func (t Tensor) Dtype() int8 { return int8(t.info().DType) }

// Device tells where the elements are.
func (t Tensor) Device() Device {
	info := t.info()
	return Device{kind: info.DeviceType, index: info.DeviceIndex}
}

// RequiresGrad tells whether operators on t are recorded for Backward.
func (t Tensor) RequiresGrad() bool { return t.info().RequiresGrad != 0 }

// SetRequiresGrad turns the recording of operators on a leaf on or off.
func (t Tensor) SetRequiresGrad(on bool) {
	err := libtorch.SetRequiresGrad(t.pointer(), on)
	runtime.KeepAlive(t.T)
	if err != nil {
		panic(err)
	}
}

// Read copies the elements to dst, in row-major order and the machine's byte
// order. dst has exactly the tensor's size in bytes.
func (t Tensor) Read(dst []byte) {
	err := libtorch.Read(t.pointer(), dst)
	runtime.KeepAlive(t.T)
	if err != nil {
		panic(err)
	}
}

// Write overwrites the elements in place; it is the inverse of Read, and not
// recorded for Backward.
func (t Tensor) Write(src []byte) {
	err := libtorch.Write(t.pointer(), src)
	runtime.KeepAlive(t.T)
	if err != nil {
		panic(err)
	}
}

// Bytes copies the elements out as Read does.
func (t Tensor) Bytes() []byte {
	data := make([]byte, t.info().Bytes)
	t.Read(data)
	return data
}
