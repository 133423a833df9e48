// Package predict makes a model folder ready to serve.
//
// [Open] reads the folder, folds BatchNorm into the convolutions, packs the
// weights for this machine and returns a [Model]. Each of the server's runners
// takes its own [Runner] from it; they share the weights. A Runner turns a batch
// of images, as 8-bit RGB, into probabilities with one call into libtorch.
package predict

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/torchlit/torchlit/internal/cpus"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/engine"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// Network is everything that decides what a model answers.
type Network struct {
	Spec          resnet.Spec // none of a TorchScript module
	Weights       Weights     // read while New runs, not after
	Width, Height int         // of the images, in pixels
	Mean, Std     [3]float32
	Temperature   float64 // of the softmax; 0 means 1

	Calibration *Calibration // for int8; nil where there is none
}

// program is the network as an engine's steps, and the engine's configuration in fp32. With embed the logits
// are followed by the embedding: see appendEmbedding.
func (n *Network) program(embed bool) (engine.Config, []engine.Step, error) {
	config := engine.Config{
		Height: n.Height, Width: n.Width, Classes: int(n.Spec.NumClasses), Slots: slots, Mean: n.Mean, Std: n.Std,
	}
	steps, err := compile(n.Spec, n.Weights)
	if err == nil && embed {
		config.Classes += appendEmbedding(steps)
	}
	return config, steps, err
}

// Options say how to run it. The zero value is a good choice.
type Options struct {
	Device    string // "cpu", "cuda" (all GPUs), "cuda:1", "cuda:0,1", or "auto": all GPUs if there are; default "cpu"
	Precision string // "auto", FP32, BF16, FP16 (on GPUs) or Int8 (on the CPU); default "auto": see ChoosePrecision
	MaxBatch  int    // largest batch that a Runner takes; default: as many as are computed at once, 8 to 32, on GPUs 128
	Threads   int    // of each runner on the CPU; default: the CPUs shared out; a first runner that computes alone has more
	Runners   int    // that will be taken; default: one for each four CPUs, at least two if there are two; three for each GPU

	// Embed adds the embedding to every answer: see Runner.Run and Model.Embedding. A TorchScript module has none.
	Embed bool

	// Plain avoids the fused operators. Answers differ by rounding only.
	Plain bool

	// OnFallback is told when a GPU failed and a runner goes on elsewhere, and when it
	// is back. It must not block. Nil: nobody is told.
	OnFallback func(Fallback)
}

// On the CPU a batch is no larger by default than what the engine computes at once,
// beyond which it is no faster for each image and only keeps the next one waiting:
// with 64 clients and ResNet18 at 224 px, of which nine run at once, the 99th
// percentile was 1.69 to 1.93 s with batches of 8 and 1.90 to 2.24 with 32, at the same
// images/s. But never less than a few, since other machines may gain by them.
const (
	defaultMaxBatch   = 32
	leastDefaultBatch = 8
)

// cpusPerRunner: each runner has at least so many threads, where there are as many
// CPUs, because four threads of a batch wait for each other little yet and need less
// memory than four batches.
const cpusPerRunner = 4

func (o *Options) validate() error {
	if o.MaxBatch < 0 || o.Threads < 0 || o.Runners < 0 {
		return fmt.Errorf("cannot run with a batch of %d, %d threads, %d runners: give positive numbers, or 0 for the default",
			o.MaxBatch, o.Threads, o.Runners)
	}
	return nil
}

// ensureCPUDefaults fills in what a model on the CPU runs with. It returns the crew of
// the runners, nil if the number of their threads is fixed.
func (o *Options) ensureCPUDefaults() *crew {
	o.Device = "cpu"
	all := cpus.Count()
	if o.Runners == 0 {
		o.Runners = max(min(2, all), all/cpusPerRunner)
		if o.Threads > 0 {
			o.Runners = max(1, all/o.Threads)
		}
	}
	if o.Threads > 0 {
		return nil
	}
	c := newCrew(all, o.Runners)
	o.Threads = c.each
	return c
}

// Model is a network ready to run. Its methods may be called from any goroutine
// at once.
type Model struct {
	network Network
	options Options
	why     string // options.Precision
	placed  string // why it is on the CPU although it might be on a GPU
	classes int
	embeds  int              // values of the embedding that follows an answer
	folder  *modeldir.Folder // nil when there is none
	gpus    *gpuNetwork      // shared, if it is on GPUs
	crew    *crew            // nil: each runner has options.Threads

	mu     sync.Mutex
	shared network   // never run; the runners share its weights
	made   int       // runners
	cost   costTable // of the first of them
}

// New builds a model. The caller closes it.
func New(n Network, opts Options) (*Model, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if err := n.validate(); err != nil {
		return nil, err
	}
	where, err := opts.place()
	if err != nil {
		return nil, err
	}
	m := &Model{classes: int(n.Spec.NumClasses)}
	if opts.Embed {
		m.embeds = int(n.Spec.Features())
	}
	if len(where.gpus) > 0 {
		if err = m.openGPUs(n, opts, where); err == nil {
			return m, nil
		}
		if opts.Device != "auto" || !deviceFailed(err) {
			return nil, err
		}
		where.why = err.Error()
	}
	m.placed = where.why
	if err := m.openCPU(n, opts); err != nil {
		return nil, err
	}
	return m, nil
}

// validate also fills in the temperature.
func (n *Network) validate() error {
	if n.Width < 1 || n.Height < 1 {
		return fmt.Errorf("cannot build %s for images of %d×%d", n.Spec.Architecture, n.Width, n.Height)
	}
	for c, std := range n.Std {
		if !(std > 0) {
			return fmt.Errorf("cannot normalise channel %d by a std of %v: it must be positive", c, std)
		}
	}
	if n.Temperature == 0 {
		n.Temperature = 1
	}
	if !(n.Temperature > 0) {
		return fmt.Errorf("cannot use a temperature of %v: it must be positive", n.Temperature)
	}
	return engine.Load()
}

func (m *Model) openGPUs(n Network, opts Options, where placement) error {
	opts.ensureGPUDefaults(len(where.gpus))
	net, why, err := n.openGPUs(&opts, where)
	if err != nil {
		return err
	}
	opts.Device = where.String()
	n.Weights = nil
	m.network, m.options, m.why, m.shared, m.gpus = n, opts, why, net, net
	return nil
}

func (m *Model) openCPU(n Network, opts Options) error {
	crew := opts.ensureCPUDefaults()
	machine, err := Supports()
	if err != nil {
		return err
	}
	precision, why, err := ChoosePrecision(opts.Precision, machine, n.Calibration)
	if err != nil {
		return err
	}
	opts.Precision = precision
	e, err := n.open(precision, opts)
	if err != nil {
		return err
	}
	if opts.MaxBatch == 0 {
		chunk, err := e.Chunk()
		if err != nil {
			e.Close()
			return err
		}
		opts.MaxBatch = min(defaultMaxBatch, max(leastDefaultBatch, int(chunk)))
	}
	n.Weights = nil
	m.network, m.options, m.why, m.shared, m.crew = n, opts, why, fused{e}, crew
	return nil
}

// open builds the network's engine.
func (n *Network) open(precision string, opts Options) (*engine.Engine, error) {
	config, steps, err := n.program(opts.Embed)
	if err != nil {
		return nil, err
	}
	config.Plain, config.Precision = opts.Plain, precisions[precision]
	if precision == Int8 {
		if err := n.Calibration.apply(&config, steps); err != nil {
			return nil, err
		}
	}
	return engine.Open(config, steps)
}

// Precision returns what the model computes in, and why it is this.
func (m *Model) Precision() (precision, why string) { return m.options.Precision, m.why }

// Device returns where the model was opened, and if that is the CPU although a GPU was
// wished for, why.
func (m *Model) Device() (device, why string) { return m.options.Device, m.placed }

// Health tells where the model computes now, which after a GPU failed is not what it was
// opened with, and whether a runner is just looking for another place.
func (m *Model) Health() (device string, recovering bool) {
	if m.gpus == nil {
		return m.options.Device, false
	}
	return m.gpus.device(), m.gpus.recovering.Load() > 0
}

// Options returns what the model was opened with, defaults filled in.
func (m *Model) Options() Options { return m.options }

// Network returns what the model was built from, without the weights.
func (m *Model) Network() Network { return m.network }

// ImageBytes is the length of one image: height·width·3, RGB, row by row.
func (m *Model) ImageBytes() int { return m.network.Height * m.network.Width * 3 }

// Classes is how many probabilities an answer has.
func (m *Model) Classes() int { return m.classes }

// Embedding is how many values of the embedding follow the probabilities in an answer: 0
// without Options.Embed. It is what the last linear layer reads, the mean of the last
// block's result over the image.
func (m *Model) Embedding() int { return m.embeds }

// Cost returns how long a batch of n takes while all runners compute, going by the
// warm-up of the first one, which was alone, and interpolated between what that
// measured. Before there was a Runner it returns 0.
func (m *Model) Cost() func(n int) time.Duration {
	return func(n int) time.Duration {
		m.mu.Lock()
		defer m.mu.Unlock()
		took := m.cost.of(n)
		if m.crew != nil { // all on the CPUs that the first had for itself
			took *= time.Duration(m.options.Runners)
		}
		return took
	}
}

// NewRunner makes a runner for the calling goroutine, which has locked its
// thread, and warms it up. The runner may outlive the model.
func (m *Model) NewRunner() (*Runner, error) {
	if m.gpus == nil { // the thread of one on a GPU only fills and empties its buffers, and must not keep that waiting
		cpus.Yield(computeNice) // before the team of threads is started, which inherits it
	}
	m.mu.Lock()
	if m.shared == nil {
		m.mu.Unlock()
		return nil, errors.New("cannot make a runner: the model is closed")
	}
	e, err := m.shared.share()
	warming, place := m.shared.warming(), m.made
	m.made++
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r := &Runner{
		executor: e, maxBatch: m.options.MaxBatch, imageBytes: m.ImageBytes(), classes: m.classes,
		width: m.classes + m.embeds, temperature: m.network.Temperature,
	}
	var stages bool
	if r.stager, stages = e.(stager); !stages {
		r.staging = make([]byte, m.options.MaxBatch*m.ImageBytes())
	}
	if err := r.ready(m, place, warming); err != nil {
		r.Close()
		return nil, fmt.Errorf("cannot warm up: %w", err)
	}
	return r, nil
}

// ready sets the threads of the runner that was made in such a place, from 0, and warms
// it up. The first of a crew does so with the threads of one that is alone, the second
// with those that each has when all compute: what is made for either serves the others.
func (r *Runner) ready(m *Model, place int, w warming) error {
	first, threads := place == 0, m.options.Threads
	if m.crew != nil && first {
		threads = m.crew.alone
	}
	if err := engine.SetThreads(threads); err != nil {
		return err
	}
	if m.crew != nil {
		r.member = &member{crew: m.crew, lead: first, has: threads}
		if place > 1 {
			return nil
		}
	}
	cost, err := r.warm(w)
	if err == nil && first {
		m.mu.Lock()
		m.cost = cost
		m.mu.Unlock()
	}
	return err
}

// Close frees the model's share of the weights. Closing twice does nothing.
func (m *Model) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shared != nil {
		m.shared.Close()
		m.shared = nil
	}
}
