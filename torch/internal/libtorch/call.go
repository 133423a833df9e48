package libtorch

import (
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// What a Value holds: the TL_* constants of torchlit.h.
const (
	kindNone = iota
	kindTensor
	kindInt
	kindDouble
	kindBool
	kindDevice
	kindString
	kindInts
	kindDoubles
	kindBools
	kindTensors
	kindOptionalTensors
	kindScalars
)

// Value is one word of an operator's arguments; it has the layout of tl_value.
type Value struct{ kind, bits int64 }

// Result is one result of an operator; it has the layout of tl_result.
type Result struct{ kind, bits, bytes int64 }

// Info describes a tensor; it has the layout of tl_info. Sizes and Strides are
// meaningful up to Dims.
type Info struct {
	DType, DeviceType, DeviceIndex, Numel, Bytes int64
	RequiresGrad, IsLeaf                         int64
	Dims                                         int64
	Sizes, Strides                               [16]int64
}

// Tensor is a handle: one reference to a libtorch tensor.
type Tensor = unsafe.Pointer

// Tensor returns the result's handle, owned by the caller; nil when the result
// is an undefined tensor.
func (r *Result) Tensor() Tensor {
	if r.kind != kindTensor {
		return nil
	}
	return *(*unsafe.Pointer)(unsafe.Pointer(&r.bits))
}

// Bytes is the size of the result's elements.
func (r *Result) Bytes() int64 { return r.bytes }

// Int returns an integer or boolean result.
func (r *Result) Int() int64 { return r.bits }

// Float returns a floating-point result, or an integer one converted.
func (r *Result) Float() float64 {
	if r.kind == kindDouble {
		return math.Float64frombits(uint64(r.bits))
	}
	return float64(r.bits)
}

// Args builds an operator's arguments in the order of its schema. The zero
// value is empty. Its methods return it, so that a call reads as one line. It
// holds bare pointers: whoever fills it keeps the tensors alive until Call has
// returned.
type Args struct {
	inline [24]Value
	long   []Value // used once inline is full
	n      int
}

func (a *Args) add(kind, bits int64) *Args {
	switch {
	case a.long != nil:
		a.long = append(a.long, Value{kind, bits})
	case a.n < len(a.inline):
		a.inline[a.n] = Value{kind, bits}
		a.n++
	default:
		a.long = make([]Value, a.n, 4*a.n)
		copy(a.long, a.inline[:a.n])
		a.long = append(a.long, Value{kind, bits})
	}
	return a
}

func (a *Args) values() []Value {
	if a.long != nil {
		return a.long
	}
	return a.inline[:a.n]
}

// None adds an absent optional argument.
func (a *Args) None() *Args { return a.add(kindNone, 0) }

// Tensor adds a tensor; nil is an absent optional one.
func (a *Args) Tensor(t Tensor) *Args {
	if t == nil {
		return a.None()
	}
	return a.add(kindTensor, int64(uintptr(t)))
}

// Int adds an integer, a dtype, a layout or a memory format.
func (a *Args) Int(v int64) *Args { return a.add(kindInt, v) }

// Float adds a floating-point number.
func (a *Args) Float(v float64) *Args { return a.add(kindDouble, int64(math.Float64bits(v))) }

// Bool adds a boolean.
func (a *Args) Bool(v bool) *Args { return a.add(kindBool, boolBits(v)) }

// Device adds a device; index -1 stands for the current one of its type.
func (a *Args) Device(kind, index int64) *Args { return a.add(kindDevice, kind<<8|index&0xff) }

// Ints adds a list of integers.
func (a *Args) Ints(v ...int64) *Args {
	a.add(kindInts, int64(len(v)))
	for _, x := range v {
		a.add(kindInt, x)
	}
	return a
}

// Floats adds a list of floating-point numbers.
func (a *Args) Floats(v ...float64) *Args {
	a.add(kindDoubles, int64(len(v)))
	for _, x := range v {
		a.Float(x)
	}
	return a
}

// Bools adds a list of booleans.
func (a *Args) Bools(v ...bool) *Args {
	a.add(kindBools, int64(len(v)))
	for _, x := range v {
		a.Bool(x)
	}
	return a
}

// Tensors begins a list of n tensors; the next n calls of Tensor fill it.
func (a *Args) Tensors(n int) *Args { return a.add(kindTensors, int64(n)) }

// OptionalTensors begins a list of n tensors, any of which may be nil.
func (a *Args) OptionalTensors(n int) *Args { return a.add(kindOptionalTensors, int64(n)) }

// Scalars begins a list of n optional numbers; the next n values fill it.
func (a *Args) Scalars(n int) *Args { return a.add(kindScalars, int64(n)) }

// String adds a string.
func (a *Args) String(s string) *Args {
	a.add(kindString, int64(len(s)))
	for len(s) > 0 {
		var word [8]byte
		n := copy(word[:], s)
		a.add(kindInt, *(*int64)(unsafe.Pointer(&word)))
		s = s[n:]
	}
	return a
}

// Op is an operator of libtorch, looked up at its first call.
type Op struct {
	name, overload string
	found          atomic.Pointer[byte]
}

// NewOp names an operator, such as "aten::add.Tensor": its qualified name and,
// after a dot, its overload. It does no work, so it may initialise a variable.
func NewOp(name string) *Op {
	base, overload, _ := strings.Cut(name, ".")
	return &Op{name: base, overload: overload}
}

func (o *Op) resolve() (unsafe.Pointer, error) {
	if p := o.found.Load(); p != nil {
		return unsafe.Pointer(p), nil
	}
	if err := Load(); err != nil {
		return nil, err
	}
	e := acquire()
	defer release(e)
	var p unsafe.Pointer
	if rawOpFind(o.name, o.overload, &p, e) != 0 {
		return nil, &Error{o.name, e.String()}
	}
	o.found.Store((*byte)(p)) // two lookups at once find the same operator
	return p, nil
}

// Known tells whether this libtorch has the operator.
func (o *Op) Known() bool {
	_, err := o.resolve()
	return err == nil
}

// Call runs the operator. It fills results, whose tensors are the caller's to
// free, and returns how many it filled and the number of the scope that the
// calling thread is in (0 for none). Without results, those of the operator are
// dropped. On an error nothing is filled. The caller keeps every tensor in args
// alive until Call has returned.
func (o *Op) Call(args *Args, results []Result) (n int, scope int64, err error) {
	p, err := o.resolve()
	if err != nil {
		return 0, 0, err
	}
	gate.enter()
	e := acquire()
	filled, scope, status := rawOpCall(p, args.values(), results, e)
	if status != 0 {
		err = &Error{o.name, e.String()}
	}
	release(e)
	gate.leave()
	return int(filled), scope, err
}

// IsTooManyResults tells whether Call failed because results was too short.
func IsTooManyResults(err error) bool {
	var e *Error
	return errors.As(err, &e) && strings.Contains(e.Text, tooManyResults)
}

const tooManyResults = "the operator has more results than the"

// Error is what libtorch said of a call it refused.
type Error struct {
	Op   string // the operator or function, such as "aten::add"
	Text string // libtorch's own sentence
}

func (e *Error) Error() string { return e.Op + ": " + strings.TrimSpace(e.Text) }

// Error buffers are pooled: zeroing two kilobytes would cost more than most
// calls.
var errorPool = sync.Pool{New: func() any { return new(errorText) }}

func acquire() *errorText  { return errorPool.Get().(*errorText) }
func release(e *errorText) { errorPool.Put(e) }

func boolBits(v bool) int64 {
	if v {
		return 1
	}
	return 0
}

// CString copies a string of C.
func CString(p unsafe.Pointer) string {
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
