package jit

import (
	"fmt"
	"reflect"
	"runtime"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Forward runs the module's method forward. It panics where TryForward returns an
// error.
func (m *Module) Forward(inputs ...torch.Tensor) *IValue {
	v, err := m.TryForward(inputs...)
	check("jit.Forward", err)
	return v
}

// TryForward is Forward with an error instead of a panic: inputs that the method
// does not take, a shape that does not fit, an exception in the module's code.
func (m *Module) TryForward(inputs ...torch.Tensor) (*IValue, error) {
	args := make([]any, len(inputs))
	for i, t := range inputs {
		args[i] = t
	}
	v, err := m.Call("forward", args...)
	if err != nil {
		return nil, err
	}
	return &IValue{v}, nil
}

// Call runs a method. Arguments that have defaults may be left out at the end.
// A method's argument is given and its result returned as
//
//	Tensor           torch.Tensor
//	int, float       int64, float64 (arguments: any integer, any float)
//	bool, str        bool, string
//	None             nil
//	Device           torch.Device (arguments only)
//	List[T]          []T of these; []any of other lists
//	Tuple            []any
//	Dict[str, Tensor] map[string]torch.Tensor
//	Dict             map[any]any (arguments: any map)
//
// An exception that the method raises is an error with the method's traceback.
func (m *Module) Call(method string, args ...any) (result any, err error) {
	var a arguments
	for i, arg := range args {
		if err := a.add(arg); err != nil {
			return nil, fmt.Errorf("cannot call %q: argument %d: %w", method, i+1, err)
		}
	}
	err = m.reading(func(p libtorch.Module) error {
		results, scope, err := libtorch.CallModule(p, method, &a.Args)
		runtime.KeepAlive(a.kept)
		if err == nil {
			result = value(results, scope)
		}
		return err
	})
	return result, err
}

// value makes Go values of what a method returned.
func value(results []libtorch.Result, scope int64) any {
	return libtorch.NewResults(results, func(r *libtorch.Result) torch.Tensor {
		return torch.Adopt(r, scope)
	}).Value()
}

// arguments are those of one call, and the tensors among them, which are thereby
// alive until it has returned.
type arguments struct {
	libtorch.Args
	kept []torch.Tensor
}

func (a *arguments) add(v any) error {
	switch v := v.(type) {
	case nil:
		a.None()
	case torch.Tensor:
		return a.tensor(v)
	case *IValue:
		return a.add(v.Value)
	case torch.Device:
		a.Device(torch.DeviceNumbers(v))
	case bool:
		a.Bool(v)
	case string:
		a.String(v)
	case []torch.Tensor:
		a.Tensors(len(v))
		for _, t := range v {
			if err := a.tensor(t); err != nil {
				return err
			}
		}
	case []int64:
		a.Ints(v...)
	case []float64:
		a.Floats(v...)
	case []bool:
		a.Bools(v...)
	case []string:
		a.Strings(v...)
	default:
		return a.other(reflect.ValueOf(v))
	}
	return nil
}

func (a *arguments) tensor(t torch.Tensor) error {
	p, err := torch.Borrow(t)
	if err != nil {
		return err
	}
	a.Args.Tensor(p)
	a.kept = append(a.kept, t)
	return nil
}

// other adds the values whose types are too many to list.
func (a *arguments) other(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		a.Int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if int64(v.Uint()) < 0 {
			return fmt.Errorf("%d is more than TorchScript's integers hold", v.Uint())
		}
		a.Int(int64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		a.Float(v.Float())
	case reflect.Slice, reflect.Array:
		a.List(v.Len())
		for i := range v.Len() {
			if err := a.add(v.Index(i).Interface()); err != nil {
				return fmt.Errorf("item %d: %w", i, err)
			}
		}
	case reflect.Map:
		a.Dict(v.Len())
		for entries := v.MapRange(); entries.Next(); {
			if err := a.add(entries.Key().Interface()); err != nil {
				return fmt.Errorf("key %v: %w", entries.Key(), err)
			}
			if err := a.add(entries.Value().Interface()); err != nil {
				return fmt.Errorf("entry %v: %w", entries.Key(), err)
			}
		}
	default:
		return fmt.Errorf("a %s has no counterpart in TorchScript", v.Type())
	}
	return nil
}

// IValue is a value that Forward returned.
type IValue struct {
	// Value is the value as Call returns it.
	Value any
}

// IsTensor tells whether the value is a tensor.
func (v *IValue) IsTensor() bool {
	_, is := v.Value.(torch.Tensor)
	return is
}

// IsTuple tells whether the value is a tuple, or a list that is not of tensors,
// numbers or strings alone.
func (v *IValue) IsTuple() bool {
	_, is := v.Value.([]any)
	return is
}

// ToTensor returns the value when it is a tensor, and panics otherwise.
func (v *IValue) ToTensor() torch.Tensor {
	t, is := v.Value.(torch.Tensor)
	if !is {
		panic(&torch.Error{Op: "jit.ToTensor", Text: fmt.Sprintf("the value is a %T, not a tensor", v.Value)})
	}
	return t
}

// ToTuple returns the items of a tuple, and panics when the value is none.
func (v *IValue) ToTuple() []*IValue {
	items, is := v.Value.([]any)
	if !is {
		panic(&torch.Error{Op: "jit.ToTuple", Text: fmt.Sprintf("the value is a %T, not a tuple", v.Value)})
	}
	list := make([]*IValue, len(items))
	for i, item := range items {
		list[i] = &IValue{item}
	}
	return list
}
