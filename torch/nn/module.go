// Package nn holds the building blocks of networks: layers, losses and containers
// with parameters, buffers and a state dict. The names that gotorch has are
// gotorch's; the others are PyTorch's.
//
// # Modules
//
// A module is a struct that embeds [Module] by value, and whose constructor calls
// Init with it. Its exported fields are its parts:
//
//   - a [torch.Tensor], or a slice of them, is a parameter, or a buffer when the field
//     is tagged `gotorch:"buffer"`; the zero Tensor stands for an absent one;
//   - a module, or a slice of them, is a submodule; nil stands for an absent one;
//   - a struct that is embedded by value has its fields counted as the module's own.
//
// The order of parameters is that of the fields, in every process the same. Fields
// that are not exported are the module's own affair.
//
// A module with one input and one output is a [Layer]: its Forward takes a tensor and
// returns one. Those without parameters are all of the type [FunctionalModule].
//
// # Names
//
// [Module.StateDict] names tensors as gotorch does, by the type of the module and the
// path of fields: "MLPModule.FC1.Weight". [TorchStateDict] names them as PyTorch does,
// "fc1.weight", to exchange weights with Python.
//
// # Memory, threads and errors
//
// A module's tensors are its own: [Close] frees them. The results of Forward are the
// caller's, as are those of package torch's operators, and a training step in a
// [torch.Scope] needs no Close. A module that is made in a Scope ends with it.
//
// Forward only reads a module in evaluation mode, so goroutines may share it then.
// Everything else belongs to one goroutine.
//
// Misuse, such as an input of a wrong shape, is a panic with a [*torch.Error], which
// [torch.Try] turns into an error.
package nn

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/torchlit/torchlit/torch"
)

// IModule is what every module can do. Embedding [Module] provides it.
type IModule interface {
	// Train switches the module and its submodules between training and evaluation.
	Train(on bool)
	// IsTraining tells which of the two it is in.
	IsTraining() bool
	// To moves parameters and buffers to a device and, when given, to a dtype.
	To(device torch.Device, dtype ...int8)
	// StateDict returns all parameters and buffers by gotorch's names, borrowed.
	StateDict() map[string]torch.Tensor
	// SetStateDict copies values into the module's own tensors.
	SetStateDict(map[string]torch.Tensor) error
	// Apply calls f with the Module of the module and then of every submodule.
	Apply(f func(IModule))
	// Name returns the name of the module's type, such as "nn.LinearModule".
	Name() string
}

// Layer is a module that maps a tensor to another.
type Layer interface {
	IModule
	Forward(x torch.Tensor) torch.Tensor
}

// Module is the embeddable part of a module.
type Module struct {
	outer      IModule
	inTraining bool
}

// Init tells the embedded Module which struct it is part of, and sets it to training.
// A constructor calls it once; further calls do nothing. It panics when outer does not
// embed this very Module by value.
func (m *Module) Init(outer IModule) {
	if m.outer != nil {
		return
	}
	if v := reflect.ValueOf(outer); v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Struct {
		if f := v.Elem().FieldByName("Module"); f.IsValid() && f.CanAddr() && f.Addr().Interface() == any(m) {
			m.outer, m.inTraining = outer, true
			return
		}
	}
	panic(misuse("nn.Module.Init", "%T does not embed this nn.Module by value; call it as m.Init(m)", outer))
}

// Outer returns the struct that Init was called with, nil before that.
func (m *Module) Outer() IModule { return m.outer }

// IsTraining implements IModule.
func (m *Module) IsTraining() bool { return m.inTraining }

// Name implements IModule.
func (m *Module) Name() string { return reflect.TypeOf(m.self()).Elem().String() }

func (m *Module) self() IModule {
	if m.outer == nil {
		panic(misuse("nn.Module", "the module was not initialised: its constructor must call Init"))
	}
	return m.outer
}

// Train implements IModule.
func (m *Module) Train(on bool) {
	for child := range children(m.self()) {
		child.Train(on)
	}
	m.inTraining = on
}

// Apply implements IModule. As in gotorch, f is called with the *Module that is
// embedded in each; Outer leads from there to the module. [Modules] visits the modules
// themselves.
func (m *Module) Apply(f func(IModule)) {
	outer := m.self()
	f(m)
	for child := range children(outer) {
		child.Apply(f)
	}
}

// To implements IModule. Only floating-point tensors change their dtype. The tensors
// stay the same leaves, so an optimizer that knows them need not be told; those that
// are moved or converted lose their gradients.
func (m *Module) To(device torch.Device, dtype ...int8) {
	torch.NoGrad(func() {
		// A tensor knows its device by its full name, such as cuda:0 for cuda.
		probe := torch.EmptyWith([]int64{0}, torch.Options{Device: device})
		device := probe.Device()
		probe.Close()
		for _, e := range m.entries() {
			want := e.tensor.Dtype()
			if len(dtype) > 0 && isFloat(want) {
				want = dtype[0]
			}
			if e.tensor.Dtype() == want && e.tensor.Device() == device {
				continue
			}
			torch.ClearGrads([]torch.Tensor{e.tensor})
			moved := e.tensor.To(device, want)
			e.tensor.SetData(moved)
			moved.Close()
		}
	})
}

func isFloat(dtype int8) bool {
	return dtype == torch.Float || dtype == torch.Double || dtype == torch.Half || dtype == torch.BFloat16
}

// NamedParameters returns the parameters by gotorch's names, borrowed.
func (m *Module) NamedParameters() map[string]torch.Tensor { return m.named(false) }

// NamedBuffers returns the buffers by gotorch's names, borrowed.
func (m *Module) NamedBuffers() map[string]torch.Tensor { return m.named(true) }

// Parameters returns the parameters in the order of the fields, borrowed. One that
// several fields share is listed once.
func (m *Module) Parameters() []torch.Tensor { return m.list(false) }

// Buffers returns the buffers in the order of the fields, borrowed.
func (m *Module) Buffers() []torch.Tensor { return m.list(true) }

// StateDict implements IModule.
func (m *Module) StateDict() map[string]torch.Tensor {
	state := map[string]torch.Tensor{}
	for _, e := range m.entries() {
		state[e.name()] = e.tensor
	}
	return state
}

// SetStateDict implements IModule. The names in state are exactly those of StateDict,
// and shapes agree, or it is an error and nothing is copied. Values are converted to
// the module's device and dtype; state stays the caller's.
func (m *Module) SetStateDict(state map[string]torch.Tensor) error {
	return setState(m.Name(), m.entries(), entry.name, state, nil)
}

// setState copies state into the tensors of entries, each of which it finds by the
// name that name gives it. Names of no entry are refused but for those that ignored
// says do not matter.
func setState(module string, entries []entry, name func(entry) string, state map[string]torch.Tensor, ignored func(string) bool) error {
	known := map[string]bool{}
	for _, e := range entries {
		key := name(e)
		known[key] = true
		value, ok := state[key]
		if !ok {
			return fmt.Errorf("cannot set the state of %s: %q is missing", module, key)
		}
		if value.T == nil {
			return fmt.Errorf("cannot set the state of %s: %q is nil", module, key)
		}
		if want, got := e.tensor.Shape(), value.Shape(); !slices.Equal(want, got) {
			return fmt.Errorf("cannot set the state of %s: %q has shape %v, want %v", module, key, got, want)
		}
	}
	for key := range state {
		if !known[key] && (ignored == nil || !ignored(key)) {
			return fmt.Errorf("cannot set the state of %s: it has no %q", module, key)
		}
	}
	return torch.Try(func() {
		torch.NoGrad(func() {
			for _, e := range entries {
				e.tensor.CopyI(state[name(e)])
			}
		})
	})
}

func (m *Module) entries() []entry { return entriesOf(m.self()) }

func (m *Module) named(buffers bool) map[string]torch.Tensor {
	named := map[string]torch.Tensor{}
	for _, e := range m.entries() {
		if e.buffer() == buffers {
			named[e.name()] = e.tensor
		}
	}
	return named
}

func (m *Module) list(buffers bool) []torch.Tensor {
	var list []torch.Tensor
	for _, e := range m.entries() {
		if e.buffer() == buffers && !slices.Contains(list, e.tensor) {
			list = append(list, e.tensor)
		}
	}
	return list
}

// misuse makes the error that a function of this package panics with.
func misuse(op, format string, args ...any) *torch.Error {
	return &torch.Error{Op: op, Text: fmt.Sprintf(format, args...)}
}
