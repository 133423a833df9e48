package torch

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// The element types of a tensor, with the numbers of c10::ScalarType.
const (
	Invalid            = -1
	Byte          int8 = 0 // uint8
	Char          int8 = 1 // int8
	Short         int8 = 2 // int16
	Int           int8 = 3 // int32
	Long          int8 = 4 // int64
	Half          int8 = 5 // float16
	Float         int8 = 6 // float32
	Double        int8 = 7 // float64
	ComplexHalf   int8 = 8
	ComplexFloat  int8 = 9
	ComplexDouble int8 = 10
	Bool          int8 = 11
	QInt8         int8 = 12
	QUInt8        int8 = 13
	QInt32        int8 = 14
	BFloat16      int8 = 15
	Float8E5M2    int8 = 23
	Float8E4M3    int8 = 24
	UInt16        int8 = 27
	UInt32        int8 = 28
	UInt64        int8 = 29
)

// checkDType refuses the numbers that are no dtype: c10 ends the process over some.
func checkDType(dtype int8) error {
	if dtype >= Byte && dtype <= BFloat16 || dtype >= Float8E5M2 && dtype <= UInt64 {
		return nil
	}
	return &Error{Op: "torch", Text: fmt.Sprintf("%d is not a dtype", dtype)}
}

// Error is what libtorch said of a call that it refused.
type Error = libtorch.Error

// Device is where a tensor lives. The zero value is the CPU.
type Device struct {
	kind  int64 // c10::DeviceType
	index int64 // -1 for the current device of that type
}

// NewDevice makes a Device of its name: "cpu", "cuda", "cuda:1". It panics when
// the name is not one.
func NewDevice(name string) Device {
	d, err := ParseDevice(name)
	if err != nil {
		panic(err)
	}
	return d
}

// ParseDevice is NewDevice with an error instead of a panic.
func ParseDevice(name string) (Device, error) {
	kind, number, numbered := strings.Cut(name, ":")
	d := Device{index: -1}
	switch kind {
	case "cpu":
	case "cuda":
		d.kind = 1
	default:
		return Device{}, fmt.Errorf("cannot use device %q: it is neither cpu nor cuda nor cuda:N", name)
	}
	if numbered {
		n, err := strconv.ParseUint(number, 10, 7)
		if err != nil {
			return Device{}, fmt.Errorf("cannot use device %q: the part after the colon is not a number of a device", name)
		}
		d.index = int64(n)
	}
	return d, nil
}

// Available returns nil when the native library can be used, and otherwise the
// reason and what to do.
func Available() error { return libtorch.Load() }

// Version tells the version of libtorch in use. REQUIRES: Available returned nil.
func Version() string { return libtorch.LibtorchVersion() }

// CPUCapability tells the instruction set of libtorch's own kernels, such as
// "AVX512". REQUIRES: Available returned nil.
func CPUCapability() string { return libtorch.CPUCapability() }

// SetNumThreads sets how many threads one operator may use, for operators that
// the calling thread runs, and for those of threads that have run none yet.
func SetNumThreads(n int32) {
	if err := libtorch.SetNumThreads(int(n)); err != nil {
		panic(err)
	}
}

// NumThreads tells how many threads one operator of the calling thread uses.
func NumThreads() int { return must(libtorch.NumThreads()) }

// ManualSeed seeds libtorch's random numbers.
func ManualSeed(seed uint64) {
	if err := libtorch.ManualSeed(seed); err != nil {
		panic(err)
	}
}
