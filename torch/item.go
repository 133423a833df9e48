package torch

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Item returns the only element of t, on whatever device, as the Go type that
// its dtype has:
//
//	Byte uint8, Char int8, Short int16, Int int32, Long int64, Bool bool,
//	Half, BFloat16 and Float float32, Double float64,
//	ComplexFloat complex64, ComplexDouble complex128
//
// It panics when t has not exactly one element.
func (t Tensor) Item() interface{} {
	info := t.info()
	if info.Numel != 1 {
		panic(&Error{Op: "torch.Item", Text: fmt.Sprintf("a tensor with %d elements is not one value", info.Numel)})
	}
	dtype := int8(info.DType)
	switch dtype {
	case Half, BFloat16, 23, 24, 25, 26: // the last ones are the float8 types
		return t.itemAs(Float)
	case ComplexHalf:
		return t.itemAs(ComplexFloat)
	}
	data := t.Bytes()
	switch dtype {
	case Byte:
		return data[0]
	case Char:
		return int8(data[0])
	case Bool:
		return data[0] != 0
	case Short:
		return int16(binary.NativeEndian.Uint16(data))
	case Int:
		return int32(binary.NativeEndian.Uint32(data))
	case Long:
		return int64(binary.NativeEndian.Uint64(data))
	case Float:
		return float(data)
	case Double:
		return double(data)
	case ComplexFloat:
		return complex(float(data), float(data[4:]))
	case ComplexDouble:
		return complex(double(data), double(data[8:]))
	case 27: // uint16
		return binary.NativeEndian.Uint16(data)
	case 28: // uint32
		return binary.NativeEndian.Uint32(data)
	case 29: // uint64
		return binary.NativeEndian.Uint64(data)
	}
	panic(&Error{Op: "torch.Item", Text: fmt.Sprintf("there is no Go type for dtype %d; convert the tensor first", dtype)})
}

func (t Tensor) itemAs(dtype int8) interface{} {
	converted := t.CastTo(dtype)
	defer converted.Close()
	return converted.Item()
}

func float(data []byte) float32 { return math.Float32frombits(binary.NativeEndian.Uint32(data)) }

func double(data []byte) float64 { return math.Float64frombits(binary.NativeEndian.Uint64(data)) }
