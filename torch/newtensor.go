package torch

import (
	"fmt"
	"math"
	"reflect"
	"unsafe"

	"github.com/torchlit/torchlit/torch/variadic"
)

// NewTensor makes a CPU tensor of a slice, or of slices of slices of equal lengths,
// whose elements are bool, uint8, int8, int16, int32, int64, float32, float64, or
// uint16, which stands for Half. The option "dtype" (such as Double) says how the
// elements' bytes are to be read instead; its elements must be as large. It panics
// with an [*Error] when data is none of this. [FromSlice] is the fast, typed form.
func NewTensor(data interface{}, options ...map[string]interface{}) Tensor {
	return must(TryNewTensor(data, options...))
}

// TryNewTensor is NewTensor with an error for its panic.
func TryNewTensor(data interface{}, options ...map[string]interface{}) (Tensor, error) {
	v := reflect.ValueOf(data)
	if v.Kind() != reflect.Slice {
		return Tensor{}, newTensorError("it takes a slice, not a %T", data)
	}
	shape, elem, err := sliceShape(v)
	if err != nil {
		return Tensor{}, err
	}
	dtype, ok := dtypeOfKind[elem.Kind()]
	if !ok {
		return Tensor{}, newTensorError("no dtype has elements of Go's type %s", elem)
	}
	if asked, ok := variadic.Lookup(options, "dtype"); ok {
		d, err := integer("dtype", asked)
		if err != nil {
			return Tensor{}, err
		}
		if d < 0 || d > math.MaxInt8 || sizeOf[int8(d)] != int(elem.Size()) {
			return Tensor{}, newTensorError("elements of Go's type %s cannot be read as dtype %d", elem, d)
		}
		dtype = int8(d)
	}
	raw, err := appendElements(nil, v, shape, int(elem.Size()))
	if err != nil {
		return Tensor{}, err
	}
	return TryFromBytes(raw, dtype, shape...)
}

var dtypeOfKind = map[reflect.Kind]int8{
	reflect.Bool: Bool, reflect.Uint8: Byte, reflect.Int8: Char, reflect.Int16: Short,
	reflect.Int32: Int, reflect.Int64: Long, reflect.Uint16: Half,
	reflect.Float32: Float, reflect.Float64: Double,
}

// sizeOf is the size in bytes of an element of each dtype that has one of its own.
var sizeOf = map[int8]int{
	Byte: 1, Char: 1, Short: 2, Int: 4, Long: 8, Half: 2, Float: 4, Double: 8,
	ComplexHalf: 4, ComplexFloat: 8, ComplexDouble: 16, Bool: 1, BFloat16: 2,
}

func newTensorError(format string, args ...any) error {
	return &Error{Op: "torch.NewTensor", Text: fmt.Sprintf(format, args...)}
}

// sliceShape returns the lengths of nested slices, by the first of each level, and
// the type of the innermost elements.
func sliceShape(v reflect.Value) (shape []int64, elem reflect.Type, err error) {
	for v.Kind() == reflect.Slice {
		shape = append(shape, int64(v.Len()))
		elem = v.Type().Elem()
		if elem.Kind() != reflect.Slice {
			break
		}
		if v.Len() == 0 {
			return nil, nil, newTensorError("an empty slice of slices has no shape")
		}
		v = v.Index(0)
	}
	return shape, elem, nil
}

// appendElements copies the innermost slices whole, one after another.
func appendElements(raw []byte, v reflect.Value, shape []int64, size int) ([]byte, error) {
	if int64(v.Len()) != shape[0] {
		return nil, newTensorError("a slice has %d elements where its first neighbour has %d", v.Len(), shape[0])
	}
	if len(shape) == 1 {
		return append(raw, unsafe.Slice((*byte)(v.UnsafePointer()), v.Len()*size)...), nil
	}
	for i := range v.Len() {
		var err error
		if raw, err = appendElements(raw, v.Index(i), shape[1:], size); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// FromBlob makes a CPU tensor with a copy of the elements at data, which are of that
// dtype and in row-major order. The caller vouches that so many are there.
func FromBlob(data unsafe.Pointer, dtype int8, sizes []int64) Tensor {
	return must(TryFromBlob(data, dtype, sizes))
}

// TryFromBlob is FromBlob with an error for its panic: sizes that no tensor can have,
// a dtype that has no elements of its own, or a nil pointer to some.
func TryFromBlob(data unsafe.Pointer, dtype int8, sizes []int64) (Tensor, error) {
	n := int64(sizeOf[dtype])
	if n == 0 {
		return Tensor{}, fromBlobError("dtype %d has no elements that can be copied", dtype)
	}
	for _, s := range sizes {
		if s < 0 {
			return Tensor{}, fromBlobError("a size is negative: %d", sizes)
		}
		if s > 0 && n > math.MaxInt64/s {
			return Tensor{}, fromBlobError("no memory holds so many elements: %d", sizes)
		}
		n *= s
	}
	if data == nil && n > 0 {
		return Tensor{}, fromBlobError("data is nil")
	}
	return TryFromBytes(unsafe.Slice((*byte)(data), n), dtype, sizes...)
}

func fromBlobError(format string, args ...any) error {
	return &Error{Op: "torch.FromBlob", Text: fmt.Sprintf(format, args...)}
}
