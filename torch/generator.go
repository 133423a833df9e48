package torch

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Generator draws the random numbers of the operators that take one, on one
// device. Two of the same seed draw the same numbers, those of PyTorch's
// torch.Generator. A nil *Generator stands for the device's default one, which
// [ManualSeed] seeds.
//
// Each draw locks it, so goroutines may share one, but then the order in which
// they draw is theirs to arrange.
type Generator struct {
	p       unsafe.Pointer // nil once closed
	cleanup runtime.Cleanup
}

// NewGenerator makes a generator with PyTorch's default seed, the same each
// time. It panics where [TryNewGenerator] returns an error.
func NewGenerator(device Device) *Generator { return must(TryNewGenerator(device)) }

// TryNewGenerator is NewGenerator with an error instead of a panic: a device
// that libtorch cannot use.
func TryNewGenerator(device Device) (*Generator, error) {
	p, err := libtorch.NewGenerator(device.kind, device.index)
	if err != nil {
		return nil, err
	}
	g := &Generator{p: p}
	g.cleanup = runtime.AddCleanup(g, func(p unsafe.Pointer) { libtorch.FreeGenerator(p) }, p)
	return g, nil
}

// Close frees the generator. It may be called more than once. What is not closed
// is left to the garbage collector.
func (g *Generator) Close() {
	if g == nil {
		return
	}
	if p := atomic.SwapPointer(&g.p, nil); p != nil {
		g.cleanup.Stop()
		libtorch.FreeGenerator(p)
	}
}

// borrow returns the reference that libtorch wants. The caller keeps g alive while
// it uses it.
func (g *Generator) borrow() (libtorch.Generator, error) {
	if g == nil {
		return nil, &Error{Op: "torch.Generator", Text: "the generator is nil"}
	}
	p := atomic.LoadPointer(&g.p)
	if p == nil {
		return nil, &Error{Op: "torch.Generator", Text: "the generator is closed"}
	}
	return p, nil
}

func (g *Generator) pointer() libtorch.Generator { return must(g.borrow()) }

// generator adds a generator to an operator's arguments; nil is an absent one.
// A Tensor that points into g keeps it alive until the call has returned.
func (c *call) generator(g *Generator) *call {
	if g == nil {
		c.None()
		return c
	}
	p, err := g.borrow()
	if err != nil {
		c.err = err
	}
	c.Args.Generator(p)
	c.keep(Tensor{&g.p})
	return c
}

// ManualSeed starts the generator again from a seed, and returns it.
func (g *Generator) ManualSeed(seed uint64) *Generator {
	err := libtorch.SetSeed(g.pointer(), seed)
	runtime.KeepAlive(g)
	if err != nil {
		panic(err)
	}
	return g
}

// Seed starts the generator again from a seed that the system chooses, and
// returns that.
func (g *Generator) Seed() uint64 { return g.seed(true) }

// InitialSeed tells the seed that the generator was last started from.
func (g *Generator) InitialSeed() uint64 { return g.seed(false) }

func (g *Generator) seed(fresh bool) uint64 {
	seed, err := libtorch.Seed(g.pointer(), fresh)
	runtime.KeepAlive(g)
	return must(seed, err)
}

// State copies the generator's state out, a tensor of bytes on the CPU, for
// SetState.
func (g *Generator) State() Tensor {
	r, scope, err := libtorch.GeneratorState(g.pointer())
	runtime.KeepAlive(g)
	if err != nil {
		panic(err)
	}
	return adopt(&r, scope)
}

// SetState makes the generator go on from a state of the same kind of device. It
// panics when state is not one.
func (g *Generator) SetState(state Tensor) {
	err := libtorch.SetGeneratorState(g.pointer(), state.pointer())
	runtime.KeepAlive(g)
	runtime.KeepAlive(state.T)
	if err != nil {
		panic(err)
	}
}
