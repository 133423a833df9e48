package server

import (
	"encoding/binary"
	"math"
)

// widenBFloat16 makes float32 of bfloat16, both little-endian: it is float32's upper half.
func widenBFloat16(dst, src []byte) {
	for i := range len(src) / 2 {
		binary.LittleEndian.PutUint32(dst[4*i:], uint32(binary.LittleEndian.Uint16(src[2*i:]))<<16)
	}
}

// widenFloat16 makes float32 of float16 (IEEE 754 binary16), both little-endian.
func widenFloat16(dst, src []byte) {
	for i := range len(src) / 2 {
		binary.LittleEndian.PutUint32(dst[4*i:], float16Bits(binary.LittleEndian.Uint16(src[2*i:])))
	}
}

// float16Bits are the bits of the float32 that h is. The 15 bits below the sign, moved to where float32 has its exponent's
// lower end, are the same number but for the exponent's bias; a multiplication puts that right, also for what has no leading
// one in float16.
func float16Bits(h uint16) uint32 {
	const rebias = 0x1p112 // 2 to the power of 127-15
	sign, rest := uint32(h&0x8000)<<16, uint32(h&0x7fff)<<13
	if rest >= 0x0f800000 { // infinite, or no number
		return sign | 0x7f800000 | rest&0x007fffff
	}
	return sign | math.Float32bits(math.Float32frombits(rest)*rebias)
}
