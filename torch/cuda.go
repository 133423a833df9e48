package torch

import (
	"fmt"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

const kindCUDA = 1 // c10::DeviceType

// String is the device's name, as NewDevice takes it.
func (d Device) String() string {
	switch {
	case d.kind == 0:
		return "cpu"
	case d.kind == kindCUDA && d.index < 0:
		return "cuda"
	case d.kind == kindCUDA:
		return fmt.Sprintf("cuda:%d", d.index)
	}
	return fmt.Sprintf("device %d:%d", d.kind, d.index)
}

// IsCUDAAvailable tells whether there is a CUDA device that this libtorch can use.
func IsCUDAAvailable() bool { return CUDADeviceCount() > 0 }

// IsCUDNNAvailable tells whether this libtorch has cuDNN, and a device to use it.
func IsCUDNNAvailable() bool {
	has, err := libtorch.HasCuDNN()
	return err == nil && has && IsCUDAAvailable()
}

// CUDADeviceCount tells how many CUDA devices there are; 0 without libtorch.
func CUDADeviceCount() int {
	n, err := libtorch.DeviceCount(kindCUDA)
	if err != nil {
		return 0
	}
	return int(n)
}

// CUDAStream is a queue of work of a CUDA device: what is put into one stream
// runs in order, what is put into two may overlap. It is a plain value that need
// not be freed.
type CUDAStream struct {
	// P names the stream to libtorch.
	P libtorch.Stream
}

// GetCurrentCUDAStream tells the stream that operators of the calling thread use
// on a device. It panics where [TryGetCurrentCUDAStream] returns an error.
func GetCurrentCUDAStream(device Device) CUDAStream { return must(TryGetCurrentCUDAStream(device)) }

// TryGetCurrentCUDAStream is GetCurrentCUDAStream with an error instead of a
// panic: there is no such CUDA device.
func TryGetCurrentCUDAStream(device Device) (CUDAStream, error) {
	s, err := libtorch.CurrentStream(device.kind, device.index)
	return CUDAStream{s}, err
}

// NewCUDAStream takes a stream from the device's pool. libtorch has 32 for each
// device; the 33rd is the first again. It panics where [TryNewCUDAStream] returns
// an error.
func NewCUDAStream(device Device) CUDAStream { return must(TryNewCUDAStream(device)) }

// TryNewCUDAStream is NewCUDAStream with an error instead of a panic: there is no
// such CUDA device.
func TryNewCUDAStream(device Device) (CUDAStream, error) {
	s, err := libtorch.NewStream(device.kind, device.index)
	return CUDAStream{s}, err
}

// SetCurrentCUDAStream makes stream the one that operators of the calling thread
// use on its device. Go moves goroutines between threads: the caller holds its
// thread with runtime.LockOSThread until it has set the former stream again. It
// panics where [TrySetCurrentCUDAStream] returns an error.
func SetCurrentCUDAStream(stream CUDAStream) { check(TrySetCurrentCUDAStream(stream)) }

// TrySetCurrentCUDAStream is SetCurrentCUDAStream with an error instead of a
// panic: there is no such CUDA device.
func TrySetCurrentCUDAStream(stream CUDAStream) error {
	_, err := libtorch.StreamMode(stream.P)
	return err
}

// Query tells whether all work put into the stream is done.
func (s CUDAStream) Query() bool { return must(libtorch.QueryStream(s.P)) }

// Synchronize waits until all work put into the stream is done.
func (s CUDAStream) Synchronize() { check(libtorch.SynchronizeStream(s.P)) }

// Synchronize waits until all work put into any stream of a device is done; that
// of the CPU always is. It panics where [TrySynchronize] returns an error.
func Synchronize(device Device) { check(TrySynchronize(device)) }

// TrySynchronize is Synchronize with an error instead of a panic: there is no such
// device, or an operator failed on it.
func TrySynchronize(device Device) error {
	if device.kind == 0 {
		return nil
	}
	return libtorch.SynchronizeDevice(device.kind, device.index)
}

var (
	opToDevice  = libtorch.NewOp("aten::to.device")
	opPinMemory = libtorch.NewOp("aten::pin_memory")
)

// CUDA copies t to a CUDA device, or returns another reference to t when it is
// there. With nonBlocking, a copy from pinned memory (see PinMemory) does not wait
// for its end; what uses the result on the same stream does.
func (t Tensor) CUDA(device Device, nonBlocking bool) Tensor {
	if device.kind != kindCUDA {
		panic(&Error{Op: "torch.CUDA", Text: "the device is not a CUDA device; use To"})
	}
	return t.toDevice(device, nonBlocking, false)
}

// CopyTo copies t to a device, even when it is there already.
func (t Tensor) CopyTo(device Device) Tensor { return t.toDevice(device, false, true) }

func (t Tensor) toDevice(device Device, nonBlocking, copied bool) Tensor {
	var c call
	c.tensor(t)
	c.Device(device.kind, device.index).Int(t.info().DType).Bool(nonBlocking).Bool(copied).None()
	return must(c.try(opToDevice))
}

// PinMemory copies t to memory of the CPU that CUDA reads without a detour.
// Without a CUDA device there is no such memory, and PinMemory returns t itself,
// as gotorch does, so that a program runs with and without.
func (t Tensor) PinMemory() Tensor {
	if !IsCUDAAvailable() {
		t.pointer() // nil and closed ones are refused all the same
		return t
	}
	var c call
	c.tensor(t).None()
	return must(c.try(opPinMemory))
}
