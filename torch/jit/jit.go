// Package jit runs TorchScript: networks that PyTorch has saved together with
// their code, with torch.jit.script or torch.jit.trace. They need neither Python
// nor a description in Go.
//
//	net, err := jit.Load("net.pt")
//	…
//	defer net.Close()
//	y := net.Forward(x).ToTensor()
//
// # Who frees what
//
// A [Module] is freed by Close, or else by the garbage collector. The tensors that
// its methods return belong to the caller, like those of package torch: to the
// enclosing [torch.Scope], if there is one. Those of NamedParameters and
// NamedBuffers share their memory with the module.
//
// # Threads
//
// A module may be called by any number of goroutines at once, as far as its own
// code allows: one that changes its buffers is called by one at a time. Train, To
// and Close wait until running calls have ended.
//
// # Trust
//
// A TorchScript file is a program. Loading one from a stranger means running a
// stranger's program, with libtorch's reader, which is not made for that.
package jit

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/internal/atomicfile"
	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Module is a TorchScript module.
type Module struct {
	mu      sync.RWMutex   // held for writing by what changes the module
	p       unsafe.Pointer // nil once closed
	cleanup runtime.Cleanup
}

// Load reads a module from a file of torch.jit.save or Module.save. Its tensors come
// on the devices that they were saved from, or all on the one given.
func Load(path string, device ...torch.Device) (*Module, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("cannot load a module: %w", err)
	}
	kind, index := int64(-1), int64(-1)
	if len(device) > 0 {
		kind, index = torch.DeviceNumbers(device[0])
	}
	p, err := libtorch.LoadModule(path, kind, index)
	if err != nil {
		return nil, fmt.Errorf("cannot load a module from %q: %w", path, err)
	}
	m := &Module{p: p}
	m.cleanup = runtime.AddCleanup(m, func(p unsafe.Pointer) { libtorch.FreeModule(p) }, p)
	return m, nil
}

// LoadJITModule is Load with gotorch's name: it panics with a *torch.Error.
func LoadJITModule(path string) *Module {
	m, err := Load(path)
	check("jit.LoadJITModule", err)
	return m
}

// check panics with an error of package torch, as its functions do.
func check(op string, err error) {
	switch e := err.(type) {
	case nil:
	case *torch.Error:
		panic(e)
	default:
		panic(&torch.Error{Op: op, Text: err.Error()})
	}
}

// Close frees the module; what it returned stays. It may be called more than once.
func (m *Module) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.p != nil {
		m.cleanup.Stop()
		libtorch.FreeModule(m.p)
		m.p = nil
	}
}

// reading runs work on the module beside others that do.
func (m *Module) reading(work func(p libtorch.Module) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.open(work)
}

// changing runs work on the module alone.
func (m *Module) changing(work func(p libtorch.Module) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open(work)
}

func (m *Module) open(work func(p libtorch.Module) error) error {
	if m.p == nil {
		return &torch.Error{Op: "jit.Module", Text: "the module is closed"}
	}
	return work(m.p)
}

// Train puts the module and all in it into the mode for training, or with false
// into that for use, which is what Python's eval does.
func (m *Module) Train(on bool) {
	check("jit.Train", m.changing(func(p libtorch.Module) error { return libtorch.ModuleTrain(p, on) }))
}

// To moves the module's parameters and buffers to a device.
func (m *Module) To(device torch.Device) error {
	kind, index := torch.DeviceNumbers(device)
	return m.changing(func(p libtorch.Module) error { return libtorch.ModuleTo(p, kind, index) })
}

// Save writes the module to a file that Load and Python's torch.jit.load read. The
// file is replaced whole or not at all.
func (m *Module) Save(path string) error {
	err := m.reading(func(p libtorch.Module) error {
		return atomicfile.Replace(path, func(temp string) error { return libtorch.SaveModule(p, temp) })
	})
	if err != nil {
		return fmt.Errorf("cannot save a module as %q: %w", path, err)
	}
	return nil
}

// Methods lists the names of the module's methods, sorted.
func (m *Module) Methods() []string {
	var names []string
	for name := range m.list(libtorch.ModuleMethods).(map[any]any) {
		names = append(names, name.(string))
	}
	slices.Sort(names)
	return names
}

// Schema tells what a method takes and returns, in TorchScript's own notation;
// "" when there is no such method.
func (m *Module) Schema(method string) string {
	schema, _ := m.list(libtorch.ModuleMethods).(map[any]any)[method].(string)
	return schema
}

// NamedParameters returns the parameters by name, such as "linear.weight".
func (m *Module) NamedParameters() map[string]torch.Tensor {
	return m.list(libtorch.ModuleParameters).(map[string]torch.Tensor)
}

// NamedBuffers returns the buffers by name.
func (m *Module) NamedBuffers() map[string]torch.Tensor {
	return m.list(libtorch.ModuleBuffers).(map[string]torch.Tensor)
}

func (m *Module) list(what int64) (v any) {
	check("jit.Module", m.reading(func(p libtorch.Module) error {
		results, scope, err := libtorch.ModuleList(p, what)
		if err == nil {
			v = value(results, scope)
		}
		return err
	}))
	return v
}
