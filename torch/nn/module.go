// Package nn holds the building blocks of networks: modules with parameters,
// buffers and a state dict, with gotorch's names.
//
// A module is a struct that embeds [Module] and calls Init with itself in its
// constructor. Its exported fields are its parts: a field of type torch.Tensor
// is a parameter, or a buffer when tagged `gotorch:"buffer"`; a field that is a
// module, or a slice of modules, is a submodule. The order of parameters is the
// order of the fields, in every process the same.
package nn

import (
	"fmt"
	"reflect"

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
	// StateDict returns all parameters and buffers by name, borrowed.
	StateDict() map[string]torch.Tensor
	// SetStateDict copies values into the module's own tensors.
	SetStateDict(map[string]torch.Tensor) error
	// Apply calls f with every submodule and then with the module itself.
	Apply(f func(IModule))
	// Name returns the name of the module's type.
	Name() string
}

// Module is the embeddable part of a module. It belongs to one goroutine.
type Module struct {
	outer      IModule
	inTraining bool
}

// Init tells the embedded Module which struct it is part of. A constructor calls
// it once.
func (m *Module) Init(outer IModule) {
	m.outer = outer
	m.inTraining = true
}

// Outer returns the struct that Init was called with.
func (m *Module) Outer() IModule { return m.outer }

// IsTraining implements IModule.
func (m *Module) IsTraining() bool { return m.inTraining }

// Name implements IModule.
func (m *Module) Name() string { return reflect.TypeOf(m.self()).Elem().Name() }

func (m *Module) self() IModule {
	if m.outer == nil {
		panic("nn: the module was not initialised: its constructor must call Init")
	}
	return m.outer
}

// Train implements IModule.
func (m *Module) Train(on bool) {
	m.inTraining = on
	for _, child := range children(m.self()) {
		child.module.Train(on)
	}
}

// Apply implements IModule.
func (m *Module) Apply(f func(IModule)) {
	for _, child := range children(m.self()) {
		child.module.Apply(f)
	}
	f(m.self())
}

// To implements IModule.
func (m *Module) To(device torch.Device, dtype ...int8) {
	torch.NoGrad(func() {
		for _, e := range m.entries() {
			moved := e.tensor.To(device, dtype...)
			e.tensor.SetData(moved)
			moved.Close()
		}
	})
}

// NamedParameters returns the parameters by name, borrowed.
func (m *Module) NamedParameters() map[string]torch.Tensor { return m.named(false) }

// NamedBuffers returns the buffers by name, borrowed.
func (m *Module) NamedBuffers() map[string]torch.Tensor { return m.named(true) }

// Parameters returns the parameters in the order of the fields, borrowed.
func (m *Module) Parameters() []torch.Tensor { return m.list(false) }

// Buffers returns the buffers in the order of the fields, borrowed.
func (m *Module) Buffers() []torch.Tensor { return m.list(true) }

// StateDict implements IModule.
func (m *Module) StateDict() map[string]torch.Tensor {
	state := map[string]torch.Tensor{}
	for _, e := range m.entries() {
		state[e.name] = e.tensor
	}
	return state
}

// SetStateDict implements IModule.
func (m *Module) SetStateDict(state map[string]torch.Tensor) error {
	entries := m.entries()
	for _, e := range entries {
		if _, ok := state[e.name]; !ok {
			return fmt.Errorf("cannot set the state of %s: %q is missing", m.Name(), e.name)
		}
	}
	torch.NoGrad(func() {
		for _, e := range entries {
			e.tensor.CopyI(state[e.name])
		}
	})
	return nil
}

func (m *Module) named(buffers bool) map[string]torch.Tensor {
	named := map[string]torch.Tensor{}
	for _, e := range m.entries() {
		if e.buffer == buffers {
			named[e.name] = e.tensor
		}
	}
	return named
}

func (m *Module) list(buffers bool) []torch.Tensor {
	var list []torch.Tensor
	for _, e := range m.entries() {
		if e.buffer == buffers {
			list = append(list, e.tensor)
		}
	}
	return list
}

// entry is a parameter or buffer, by its path through the fields.
type entry struct {
	name   string
	tensor torch.Tensor
	buffer bool
}

type child struct {
	name   string
	module IModule
}

func (m *Module) entries() []entry { return entriesOf(m.self(), m.Name()) }

func entriesOf(module IModule, prefix string) []entry {
	var list []entry
	v := reflect.ValueOf(module).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		if t, ok := v.Field(i).Interface().(torch.Tensor); ok && t.T != nil {
			list = append(list, entry{prefix + "." + field.Name, t, field.Tag.Get("gotorch") == "buffer"})
		}
		for _, c := range childrenOf(v.Field(i), field.Name) {
			list = append(list, entriesOf(c.module, prefix+"."+c.name)...)
		}
	}
	return list
}

func children(module IModule) []child {
	var list []child
	v := reflect.ValueOf(module).Elem()
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() {
			list = append(list, childrenOf(v.Field(i), field.Name)...)
		}
	}
	return list
}

var moduleType = reflect.TypeFor[IModule]()

// childrenOf returns the module, or the modules, that a field holds.
func childrenOf(v reflect.Value, name string) []child {
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Implements(moduleType):
		var list []child
		for i := range v.Len() {
			list = append(list, childrenOf(v.Index(i), fmt.Sprintf("%s[%d]", name, i))...)
		}
		return list
	case v.Kind() == reflect.Struct || !v.Type().Implements(moduleType) || v.IsNil():
		return nil // the embedded Module, a tensor, a setting, an absent part
	}
	return []child{{name, v.Interface().(IModule)}}
}
