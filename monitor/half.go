package monitor

import (
	"encoding/binary"
	"math"
)

// AppendHalf appends values as float16 (IEEE 754 binary16), little-endian, rounded to the nearest, ties to even. What is too large
// becomes infinite.
func AppendHalf(dst []byte, values []float32) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint16(dst, half(v))
	}
	return dst
}

// ReadHalf is the values that AppendHalf wrote. An odd last byte is left out.
func ReadHalf(data []byte) []float32 {
	out := make([]float32, len(data)/2)
	for i := range out {
		out[i] = single(binary.LittleEndian.Uint16(data[2*i:]))
	}
	return out
}

// Half is what is left of a value that was kept as float16.
func Half(v float32) float32 { return single(half(v)) }

// RoundHalf is what is left of values that were kept as float16.
func RoundHalf(values []float32) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = single(half(v))
	}
	return out
}

func half(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	bits &= 0x7fffffff
	switch {
	case bits > 0x7f800000: // no number
		return sign | 0x7e00
	case bits >= 0x477ff000: // 65520, from which 65504 is no nearer than infinity
		return sign | 0x7c00
	case bits < 0x38800000: // below the least with a leading one: adding a half moves the bits to their place, and rounds them
		return sign | uint16(math.Float32bits(math.Float32frombits(bits)+0.5)-0x3f000000)
	}
	bits += 0xfff + bits>>13&1 // rounds what is cut off below, half to even
	return sign | uint16((bits-0x38000000)>>13)
}

func single(h uint16) float32 {
	const rebias = 0x1p112 // 2 to the power of 127-15
	sign, rest := uint32(h&0x8000)<<16, uint32(h&0x7fff)<<13
	if rest >= 0x0f800000 { // infinite, or no number
		return math.Float32frombits(sign | 0x7f800000 | rest&0x007fffff)
	}
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(rest)*rebias))
}
