package predict

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/torchlit/torchlit/torch/engine"
)

// A network on GPUs, and what happens when one fails.
//
// The goal: a GPU that fails costs time, never an answer. Its failures are of two kinds.
// After a memory fault, an uncorrectable bit or a card that fell off the bus, every later
// call of this process on that card fails, so it is not asked again until the process is
// started anew. When its memory does not suffice, because another process took it, it may
// do so later, so it is tried again from time to time.
//
// In either case the runner whose batch failed takes another GPU of the model that still
// works, or else the CPU, and runs the same batch there; its images are still in the
// staging memory. Until that is done the model is recovering, which /readyz tells. The
// engine for the CPU is built when it is needed, from steps that are kept: a folder may
// have changed or gone meanwhile.
type gpuNetwork struct {
	open    func(gpu int) (gpuEngine, error)
	openCPU func() (*engine.Engine, error)
	config  gpuConfig
	report  func(Fallback)
	retry   time.Duration // how long a GPU without memory is left alone

	recovering atomic.Int64 // runners that are
	onCPU      atomic.Int64 // runners that are

	mu     sync.Mutex
	gpus   []*gpu
	cpu    *engine.Engine // shared by those that fell back; nil before the first
	closed bool
}

// gpuConfig is what a runner's executor must know.
type gpuConfig struct {
	maxBatch, imageBytes, classes int
	temperature                   float64
}

// gpuEngine is an engine.CUDA, or a test's.
type gpuEngine interface {
	newLane() (gpuLane, error)
	Close()
}

// gpuLane is an engine.Lane, or a test's.
type gpuLane interface {
	Staging() []byte
	Send(from, n int) error
	Finish(n int, logits bool, answers []float32) error
	FinishPlanes(planes []float32, n int, logits bool, answers []float32) error
	Close()
}

type cudaEngine struct{ *engine.CUDA }

func (c cudaEngine) newLane() (gpuLane, error) { return c.NewLane() }

// gpu is one of a network's GPUs. All but use are the network's mutex's.
type gpu struct {
	number int
	engine gpuEngine // nil once the device is lost, or closed
	lanes  int
	full   time.Time // when its memory last did not suffice

	use sync.RWMutex // held for reading while a lane is made, for writing to close
}

func (g *gpu) closeLocked() {
	if g.engine != nil {
		g.use.Lock()
		g.engine.Close()
		g.use.Unlock()
		g.engine = nil
	}
}

// errNoGPU: all GPUs of a network are lost or without memory.
var errNoGPU = errors.New("no GPU of the model works")

// Fallback is a change of where a runner computes.
type Fallback struct {
	From, To string // devices
	Err      error  // why; nil when a GPU is used again
}

// newGPUNetwork opens the network on all of gpus.
func newGPUNetwork(n *gpuNetwork, gpus []int) (*gpuNetwork, error) {
	for _, number := range gpus {
		e, err := n.open(number)
		if err != nil {
			n.Close()
			return nil, err
		}
		n.gpus = append(n.gpus, &gpu{number: number, engine: e})
	}
	return n, nil
}

// share makes an executor on the GPU with the fewest, or where none works on the CPU.
func (n *gpuNetwork) share() (executor, error) {
	e := &gpuExecutor{network: n}
	var err error
	e.lane, e.gpu, err = n.lane(nil)
	if err == nil {
		return e, nil
	}
	if !deviceFailed(err) {
		return nil, err
	}
	n.recovering.Add(1)
	defer n.recovering.Add(-1)
	if err := e.takeCPU(); err != nil {
		return nil, err
	}
	n.report(Fallback{From: "cuda", To: "cpu", Err: err})
	return e, nil
}

// warming: the graphs have run while they were made.
func (*gpuNetwork) warming() warming { return warming{1, 3 * time.Second} }

// Close lets go of the engines; lanes go on.
func (n *gpuNetwork) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, g := range n.gpus {
		g.closeLocked()
	}
	if n.cpu != nil {
		n.cpu.Close()
		n.cpu = nil
	}
}

// device tells where the network computes now; before there is a runner, where it will.
func (n *gpuNetwork) device() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var used, works placement
	for _, g := range n.gpus {
		if g.lanes > 0 {
			used.gpus = append(used.gpus, g.number)
		}
		if g.engine != nil {
			works.gpus = append(works.gpus, g.number)
		}
	}
	switch onCPU := n.onCPU.Load() > 0; {
	case len(used.gpus) == 0 && !onCPU:
		return works.String()
	case len(used.gpus) > 0 && onCPU:
		return used.String() + "+cpu"
	}
	return used.String()
}

// lane makes a lane on the GPU with the fewest that works. Without one its error wraps
// errNoGPU, why, and what the GPUs said.
func (n *gpuNetwork) lane(why error) (gpuLane, *gpu, error) {
	for {
		g, e := n.pick()
		if g == nil {
			return nil, nil, errors.Join(errNoGPU, why)
		}
		lane, err := e.newLane()
		g.use.RUnlock()
		if err == nil {
			return lane, g, nil
		}
		n.leave(g, err)
		why = errors.Join(why, err)
		if !deviceFailed(err) {
			return nil, nil, why
		}
	}
}

// pick counts one more lane on the GPU that it returns, and holds its use.
func (n *gpuNetwork) pick() (*gpu, gpuEngine) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var best *gpu
	for _, g := range n.gpus {
		if g.engine == nil || time.Since(g.full) < n.retry {
			continue
		}
		if best == nil || g.lanes < best.lanes {
			best = g
		}
	}
	if best == nil {
		return nil, nil
	}
	best.lanes++
	best.use.RLock()
	return best, best.engine
}

// leave counts one lane less, and takes note of why: nil, or an error.
func (n *gpuNetwork) leave(g *gpu, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	g.lanes--
	switch {
	case errors.Is(why, engine.ErrDeviceLost):
		g.closeLocked()
	case errors.Is(why, engine.ErrDeviceMemory):
		g.full = time.Now()
	}
}

// deviceFailed tells the errors that another device would not have met.
func deviceFailed(err error) bool {
	return errors.Is(err, engine.ErrDeviceLost) || errors.Is(err, engine.ErrDeviceMemory) || errors.Is(err, errNoGPU)
}

// shareCPU makes an executor on the CPU.
func (n *gpuNetwork) shareCPU() (*engine.Engine, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cpu == nil {
		var err error
		if n.cpu, err = n.openCPU(); err != nil {
			return nil, err
		}
	}
	e, err := n.cpu.Share()
	if n.closed {
		n.cpu.Close()
		n.cpu = nil
	}
	return e, err
}
