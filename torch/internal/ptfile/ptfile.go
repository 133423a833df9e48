// Package ptfile reads and writes the files of PyTorch's torch.save.
//
// Such a file is a zip archive: data.pkl holds a Python object, pickled, in which
// a tensor is a call of a function of PyTorch with a storage, an offset, sizes
// and strides; data/0, data/1, … hold the storages' bytes. Before PyTorch 1.6 it was
// no archive: see legacy.go.
//
// libtorch has functions for this. They are not used because what they write of
// a dictionary is refused by torch.load since PyTorch 2.6, and because a pickle
// is a program: their reader was not made for files of strangers. The reader here
// knows the few functions that tensors are made of, as torch.load does with its
// weights_only, and calls nothing. It needs no libtorch, and is fuzzed.
package ptfile

import (
	"fmt"

	"github.com/torchlit/torchlit/internal/pickle"
)

// DType is an element type, with the number of c10::ScalarType.
type DType int8

// Tensor is a view of a storage.
type Tensor struct {
	DType          DType
	Sizes, Strides []int64 // in elements
	Offset         int64   // in elements
	RequiresGrad   bool
	Storage        *Storage
}

// Storage is the memory that tensors may share.
type Storage struct {
	Location string // the device, such as "cpu" or "cuda:0"
	Bytes    int64

	// Read returns the bytes, in the order of a little-endian machine. What is
	// read is kept by nobody but the caller.
	Read func() ([]byte, error)
}

// The values in a file beside tensors: those of package pickle.
type (
	// Dict is a Python dictionary, in its order.
	Dict = pickle.Dict
	// Item is an entry of a Dict.
	Item = pickle.Item
	// List is a Python list.
	List = pickle.List
	// Tuple is a Python tuple, or a torch.Size.
	Tuple = pickle.Tuple
	// Object is what only Python could make; see [ReadCheckpoint].
	Object = pickle.Object
)

// Describe names a value that Read returned in an error.
func Describe(v any) string {
	if _, ok := v.(*Tensor); ok {
		return "a tensor"
	}
	return pickle.Describe(v)
}

// dtypes lists the element types that a file may have.
var dtypes = []struct {
	dtype DType
	name  string // as a member of Python's torch
	class string // of the typed storage; "" when only an untyped one exists
	size  int64
}{
	{0, "uint8", "ByteStorage", 1},
	{1, "int8", "CharStorage", 1},
	{2, "int16", "ShortStorage", 2},
	{3, "int32", "IntStorage", 4},
	{4, "int64", "LongStorage", 8},
	{5, "float16", "HalfStorage", 2},
	{6, "float32", "FloatStorage", 4},
	{7, "float64", "DoubleStorage", 8},
	{8, "complex32", "", 4},
	{9, "complex64", "ComplexFloatStorage", 8},
	{10, "complex128", "ComplexDoubleStorage", 16},
	{11, "bool", "BoolStorage", 1},
	{15, "bfloat16", "BFloat16Storage", 2},
	{23, "float8_e5m2", "", 1},
	{24, "float8_e4m3fn", "", 1},
	{25, "float8_e5m2fnuz", "", 1},
	{26, "float8_e4m3fnuz", "", 1},
	{27, "uint16", "", 2},
	{28, "uint32", "", 4},
	{29, "uint64", "", 8},
}

// untyped is the element type of a storage that has none of its own.
const untyped DType = -1

func (d DType) size() (int64, error) {
	for _, t := range dtypes {
		if t.dtype == d {
			return t.size, nil
		}
	}
	return 0, fmt.Errorf("dtype %d has no place in a file of PyTorch; convert the tensor first", d)
}

func (d DType) names() (name, class string) {
	for _, t := range dtypes {
		if t.dtype == d {
			return t.name, t.class
		}
	}
	return "", ""
}

// Size is the number of bytes of one element of a tensor that Read returned.
func Size(d DType) int64 {
	size, err := d.size()
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return size
}
