package libtorch

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// The kinds that only TorchScript's arguments and results have: the TL_*
// constants of torchlit.h.
const (
	kindList = iota + kindGenerator + 1
	kindTuple
	kindDict
	kindStrings
)

// What ModuleList lists: the TL_MODULE_* constants of torchlit.h.
const (
	ModuleMethods = iota
	ModuleParameters
	ModuleBuffers
)

// Module is a handle to a TorchScript module.
type Module = unsafe.Pointer

// LoadModule reads a module; kind -1 leaves its tensors where they were saved.
func LoadModule(path string, kind, index int64) (m Module, err error) {
	err = do("module_load", func(e *errorText) int32 { return rawModuleLoad(path, kind, index, &m, e) })
	return m, err
}

// FreeModule drops the module. A failure would be a broken handle, which is our
// own mistake.
func FreeModule(m Module) {
	e := acquire()
	defer release(e)
	if rawModuleFree(m, e) != 0 {
		panic("BUG: cannot free a module: " + e.String())
	}
}

// SaveModule writes the module to a file.
func SaveModule(m Module, path string) error {
	return do("module_save", func(e *errorText) int32 { return rawModuleSave(m, path, e) })
}

// ModuleTo moves the module's tensors to a device.
func ModuleTo(m Module, kind, index int64) error {
	return do("module_to", func(e *errorText) int32 { return rawModuleTo(m, kind, index, e) })
}

// ModuleTrain tells the module whether it is trained or used.
func ModuleTrain(m Module, on bool) error {
	return do("module_train", func(e *errorText) int32 { return rawModuleTrain(m, on, e) })
}

// CallModule runs a method. The caller keeps the tensors in args alive until it
// has returned, and frees those in the results.
func CallModule(m Module, method string, args *Args) (r []Result, scope int64, err error) {
	gate.enter()
	defer gate.leave()
	err = do(method, func(e *errorText) (status int32) {
		r, scope, status = rawModuleCall(m, method, args.values(), e)
		return status
	})
	return r, scope, err
}

// ModuleList gives the names and values of one of the Module* kinds, as the
// results of a method that returns a dictionary.
func ModuleList(m Module, what int64) (r []Result, scope int64, err error) {
	err = do("module_list", func(e *errorText) (status int32) {
		r, scope, status = rawModuleList(m, what, e)
		return status
	})
	return r, scope, err
}

// List begins a list of n values of any kind; the next n fill it.
func (a *Args) List(n int) *Args { return a.add(kindList, int64(n)) }

// Dict begins a dictionary of n entries; n keys follow, each with its value
// behind it.
func (a *Args) Dict(n int) *Args { return a.add(kindDict, int64(n)) }

// Strings adds a list of strings.
func (a *Args) Strings(list ...string) *Args {
	a.add(kindStrings, int64(len(list)))
	for _, s := range list {
		a.String(s)
	}
	return a
}

// Results reads what a method returned: one value, in a flat array. T is what a
// tensor becomes.
type Results[T any] struct {
	list []Result
	take func(r *Result) T
}

// NewResults reads list; the tensors in it go to take.
func NewResults[T any](list []Result, take func(r *Result) T) *Results[T] {
	return &Results[T]{list, take}
}

func (rs *Results[T]) next() *Result {
	r := &rs.list[0]
	rs.list = rs.list[1:]
	return r
}

// Value returns the next value: nil, a tensor, int64, float64, bool, string, a
// slice of one of these, []any for other lists and tuples, a map from strings to
// tensors, or map[any]any for other dictionaries.
func (rs *Results[T]) Value() any {
	r := rs.next()
	n := int(r.bits)
	switch r.kind {
	case kindNone:
		return nil
	case kindTensor:
		return rs.take(r)
	case kindInt:
		return r.Int()
	case kindBool:
		return r.Int() != 0
	case kindDouble:
		return r.Float()
	case kindString:
		return rs.string(n)
	case kindInts:
		return collect(rs.next, n, (*Result).Int)
	case kindDoubles:
		return collect(rs.next, n, (*Result).Float)
	case kindBools:
		return collect(rs.next, n, func(r *Result) bool { return r.Int() != 0 })
	case kindStrings:
		list := make([]string, n)
		for i := range list {
			list[i] = rs.Value().(string)
		}
		return list
	case kindTensors:
		return collect(rs.next, n, rs.take)
	case kindList, kindTuple:
		list := make([]any, n)
		for i := range list {
			list[i] = rs.Value()
		}
		return list
	case kindDict:
		if r.bytes != 0 {
			return rs.tensors(n)
		}
		dict := make(map[any]any, n)
		for range n {
			key := rs.Value()
			dict[key] = rs.Value()
		}
		return dict
	}
	panic(fmt.Sprintf("BUG: a result of kind %d", r.kind))
}

func (rs *Results[T]) tensors(n int) map[string]T {
	dict := make(map[string]T, n)
	for range n {
		name := rs.Value().(string)
		dict[name] = rs.take(rs.next())
	}
	return dict
}

func collect[T any](next func() *Result, n int, get func(*Result) T) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = get(next())
	}
	return list
}

func (rs *Results[T]) string(n int) string {
	text := make([]byte, 0, n+8)
	for len(text) < n {
		text = binary.NativeEndian.AppendUint64(text, uint64(rs.next().bits))
	}
	return string(text[:n])
}
