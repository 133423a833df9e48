package oip

import (
	"encoding/binary"
	"math"
)

// maxRank bounds the dimensions of a tensor; no network takes more.
const maxRank = 16

// Count is the number of elements of a shape. It refuses a negative size, and a product that no memory holds.
func Count(name string, shape []int64) (int, error) {
	if len(shape) > maxRank {
		return 0, tooManyDimensions(name)
	}
	n := int64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, bad("bad_shape", "Input %q has a dimension of %d in its shape; sizes are not negative.", clip(name), d)
		}
		if d != 0 && n > math.MaxInt32/d {
			return 0, bad("bad_shape", "Input %q has the shape %v, which is more than a request can hold.", clip(name), shape)
		}
		n *= d
	}
	return int(n), nil
}

func tooManyDimensions(name string) error {
	return bad("bad_shape", "Input %q has more than %d dimensions.", clip(name), maxRank)
}

// Check holds the tensor's contents to its shape and datatype.
func (t *Tensor) Check() error {
	n, err := Count(t.Name, t.Shape)
	if err != nil {
		return err
	}
	if t.Datatype == Bytes {
		if len(t.Elements) != n {
			return bad("bad_tensor", "Input %q has %d elements; its shape %v makes %d.", clip(t.Name), len(t.Elements), t.Shape, n)
		}
		return nil
	}
	size := t.Datatype.Size()
	if size == 0 {
		return bad("bad_datatype", "Input %q has the datatype %q, which the protocol does not know.", clip(t.Name), clip(string(t.Datatype)))
	}
	if len(t.Raw) != n*size {
		return bad("bad_tensor", "Input %q has %d bytes; its shape %v of %s makes %d.", clip(t.Name), len(t.Raw), t.Shape, t.Datatype, n*size)
	}
	return nil
}

// SplitElements takes the elements of a BYTES tensor apart: each is its length, 4 bytes little-endian, and its bytes.
// The elements point into raw.
func SplitElements(name string, raw []byte, want int) ([][]byte, error) {
	elements := make([][]byte, 0, min(want, len(raw)/4)) // an element has four bytes at least, whatever the shape says
	for len(raw) > 0 {
		if len(raw) < 4 {
			return nil, bad("bad_tensor", "Input %q ends in the middle of an element's length.", clip(name))
		}
		n := uint64(binary.LittleEndian.Uint32(raw))
		raw = raw[4:]
		if n > uint64(len(raw)) {
			return nil, bad("bad_tensor", "Input %q has an element of %d bytes, and only %d bytes follow.", clip(name), n, len(raw))
		}
		elements = append(elements, raw[:n:n])
		raw = raw[n:]
	}
	return elements, nil
}

// AppendElements is the reverse of [SplitElements].
func AppendElements(dst []byte, elements [][]byte) []byte {
	for _, e := range elements {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e)))
		dst = append(dst, e...)
	}
	return dst
}

// rawSize is the length of the tensor's binary form.
func (t *Tensor) rawSize() int {
	if t.Datatype != Bytes {
		return len(t.Raw)
	}
	n := 0
	for _, e := range t.Elements {
		n += 4 + len(e)
	}
	return n
}
