package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Float32 copies a floating-point tensor into float32 values of Go's own.
// F16, BF16 and F32 convert exactly; F64 is rounded to nearest, ties to even.
// Other dtypes are an error.
func Float32(v View) ([]float32, error) {
	dst := make([]float32, v.Numel())
	if err := DecodeFloat32(dst, v); err != nil {
		return nil, err
	}
	return dst, nil
}

// DecodeFloat32 is [Float32] into memory of the caller, whose length must be
// the tensor's number of elements.
func DecodeFloat32(dst []float32, v View) error {
	if len(dst) != v.Numel() {
		return fmt.Errorf("cannot decode tensor %q: it has %d elements; want %d", v.Name, v.Numel(), len(dst))
	}
	le, src := binary.LittleEndian, v.Data
	switch v.DType {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = fromFloat16(le.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
		}
	default:
		return fmt.Errorf("cannot decode tensor %q as float32: its dtype is %s; want F16, BF16, F32 or F64", v.Name, v.DType)
	}
	return nil
}

// FromFloat32 makes a tensor of dtype F16, BF16, F32 or F64 out of values, for
// [Write]. Narrowing rounds as [EncodeFloat16] and [EncodeBFloat16] do. The
// View owns its bytes and keeps shape, not values.
func FromFloat32(name string, dtype DType, shape []int64, values []float32) (View, error) {
	v := View{Name: name, DType: dtype, Shape: shape, Data: make([]byte, dtype.Size()*len(values))}
	le := binary.LittleEndian
	switch dtype {
	case F32:
		for i, x := range values {
			le.PutUint32(v.Data[4*i:], math.Float32bits(x))
		}
	case F16:
		EncodeFloat16(v.Data, values)
	case BF16:
		EncodeBFloat16(v.Data, values)
	case F64:
		for i, x := range values {
			le.PutUint64(v.Data[8*i:], math.Float64bits(float64(x)))
		}
	default:
		return View{}, fmt.Errorf("cannot encode tensor %q as %s; want F16, BF16, F32 or F64", name, dtype)
	}
	if err := checkView(v); err != nil {
		return View{}, fmt.Errorf("cannot encode tensor %q: %w", name, err)
	}
	return v, nil
}

// EncodeFloat16 writes src into dst as little-endian binary16, two bytes each.
// Values are rounded to nearest, ties to even; what is too small becomes a
// subnormal or a zero, what is too large (65520 and up) becomes infinite, and a
// NaN stays a NaN with its sign and the upper bits of its payload. It panics
// when dst is shorter than two bytes a value.
func EncodeFloat16(dst []byte, src []float32) {
	dst = dst[:2*len(src)]
	for i, x := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], toFloat16(x))
	}
}

// EncodeBFloat16 writes src into dst as little-endian bfloat16, two bytes each,
// with the same rules as [EncodeFloat16]; bfloat16 has float32's range, so only
// values that round past the largest one become infinite.
func EncodeBFloat16(dst []byte, src []float32) {
	dst = dst[:2*len(src)]
	for i, x := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], toBFloat16(x))
	}
}

// fromFloat16 is exact: every binary16 value is a float32 value.
func fromFloat16(h uint16) float32 {
	sign, exp, mant := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0: // zero or subnormal: mant × 2^-24
		return math.Float32frombits(math.Float32bits(float32(mant)*0x1p-24) | sign)
	case 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | mant<<13)
	}
	const rebias = 127 - 15
	return math.Float32frombits(sign | (exp+rebias)<<23 | mant<<13)
}

func toFloat16(x float32) uint16 {
	const (
		infinity  = 0x7f800000                 // float32 bits
		twoPow16  = (127 + 16) << 23           // the first power of two beyond binary16
		minNormal = (127 - 14) << 23           // the smallest normal binary16
		rebias    = (127 - 15) << 23           // between the two exponent biases
		dropped   = 23 - 10                    // mantissa bits that do not fit
		half      = uint32(1)<<(dropped-1) - 1 // just under half of the last kept bit
	)
	bits := math.Float32bits(x)
	sign, abs := uint16(bits>>16)&0x8000, bits&0x7fffffff
	switch {
	case abs > infinity:
		return sign | 0x7e00 | uint16(abs>>dropped)&0x1ff
	case abs >= twoPow16:
		return sign | 0x7c00
	case abs < minNormal:
		// One unit in the last place of 0.5 is 2^-24, the step of binary16's
		// subnormals: the addition itself rounds to that step, ties to even.
		return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-math.Float32bits(0.5))
	}
	abs += half + abs>>dropped&1 // a carry runs into the exponent, up to infinity
	return sign | uint16((abs-rebias)>>dropped)
}

func toBFloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40 // quiet, so that a cut payload cannot become infinity
	}
	bits += 0x7fff + bits>>16&1
	return uint16(bits >> 16)
}
