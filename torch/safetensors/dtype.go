package safetensors

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// DType is the element type of a tensor, spelled as the file format spells it.
type DType string

// The element types that this package reads and writes.
const (
	Bool   DType = "BOOL" // one byte, 0 or 1
	U8     DType = "U8"
	I8     DType = "I8"
	I16    DType = "I16"
	U16    DType = "U16"
	I32    DType = "I32"
	U32    DType = "U32"
	I64    DType = "I64"
	U64    DType = "U64"
	F8E4M3 DType = "F8_E4M3" // 4 exponent bits, 3 mantissa bits, finite only
	F8E5M2 DType = "F8_E5M2"
	F16    DType = "F16"  // IEEE 754 binary16
	BF16   DType = "BF16" // the upper half of an F32
	F32    DType = "F32"
	F64    DType = "F64"
)

// writeOrder lists the types as the reference implementation orders them in a
// file: wide elements first, so that each tensor starts aligned to its own
// element size without padding between tensors.
var writeOrder = []DType{
	U64, I64, F64, F32, U32, I32, BF16, F16, U16, I16, F8E4M3, F8E5M2, I8, U8, Bool,
}

// Size is the number of bytes of one element; 0 for a type that is not known.
func (d DType) Size() int {
	switch d {
	case Bool, U8, I8, F8E4M3, F8E5M2:
		return 1
	case I16, U16, F16, BF16:
		return 2
	case I32, U32, F32:
		return 4
	case I64, U64, F64:
		return 8
	}
	return 0
}

func compareWriteOrder(a, b View) int {
	return cmp.Or(
		cmp.Compare(slices.Index(writeOrder, a.DType), slices.Index(writeOrder, b.DType)),
		cmp.Compare(a.Name, b.Name),
	)
}

// byteLen is the number of bytes that a tensor of this type and shape takes.
// Shapes come from outside, so neither the product nor the sign is trusted.
func byteLen(d DType, shape []int64) (int64, error) {
	size := int64(d.Size())
	if size == 0 {
		return 0, fmt.Errorf("unknown dtype %q; known are %q", d, writeOrder)
	}
	n := size
	for _, dim := range shape {
		if dim < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		if dim > 0 && n > math.MaxInt64/dim {
			return 0, fmt.Errorf("shape %v of %s overflows 64 bits", shape, d)
		}
		n *= dim
	}
	return n, nil
}
