package engine

import (
	"fmt"
	"time"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Errors of a GPU, wrapped by those of [OpenCUDA] and of a [Lane].
var (
	ErrDeviceLost   = libtorch.ErrDeviceLost   // every later call on the device fails, too
	ErrDeviceMemory = libtorch.ErrDeviceMemory // the device's memory does not suffice
)

// FP16 is a precision of GPUs alone, and their usual one: tensor cores multiply float16
// many times as fast as float32, and add up in float32.
const FP16 Precision = 3

// Stem is the form in which a GPU computes the first convolution: see torch/csrc/cuda.
type Stem int64

// The forms. Those that do not fit a network are refused.
const (
	StemMeasured Stem = iota // whichever was fastest when the program was opened
	StemPlain                // on three channels
	StemPadded               // on eight, five of them zero
	StemBlocks               // on 2×2 pixels; of a 7×7 convolution of stride 2
)

func (s Stem) String() string {
	switch s {
	case StemPlain:
		return "plain"
	case StemPadded:
		return "padded"
	case StemBlocks:
		return "blocks"
	}
	return "measured"
}

// CUDAConfig says how a network runs on a GPU.
type CUDAConfig struct {
	Device      int       // its number
	Precision   Precision // FP32, BF16 or FP16
	MaxBatch    int       // of every lane; each size up to it has its CUDA graph, or a larger one's
	Temperature float64   // of the softmax; 0 means 1
	Stem        Stem

	// Benchmark is how long cuDNN may try its algorithms. Batch sizes whose turn comes
	// later run what its rules of thumb say.
	Benchmark time.Duration
}

// OnCPU as CUDAConfig.Device runs the program that a GPU would run on the CPU, without
// streams and graphs and with plain operators: the yardstick of tests.
const OnCPU = -1

// CUDA is a network on one GPU. Any number of goroutines may use it at once.
type CUDA struct{ *libtorch.CUDAEngine }

// Lane runs a network on a GPU for one goroutine at a time. Lanes of one GPU overlap:
// while one computes, another's images cross the bus.
type Lane = libtorch.CUDALane

// LoadCUDA opens the native library for GPUs, which [OpenCUDA] does by itself; its error
// says what is missing. It succeeds without a GPU, too.
func LoadCUDA() error { return libtorch.LoadCUDA() }

// c10::ScalarType of the precisions.
var dtypes = map[Precision]int64{FP32: 6, FP16: 5, BF16: 15}

// OpenCUDA puts a network on a GPU. The steps' weights are copied. The caller closes it.
func OpenCUDA(config Config, cuda CUDAConfig, steps []Step) (*CUDA, error) {
	dtype, ok := dtypes[cuda.Precision]
	if !ok {
		return nil, fmt.Errorf("cannot run on a GPU in precision %d: use FP32, BF16 or FP16", cuda.Precision)
	}
	if cuda.Temperature == 0 {
		cuda.Temperature = 1
	}
	if err := libtorch.LoadCUDA(); err != nil {
		return nil, err
	}
	list, made, err := lowerAll(steps)
	defer func() { libtorch.Free(made...) }()
	if err != nil {
		return nil, err
	}
	e, err := libtorch.OpenCUDAEngine(config.native(), libtorch.CUDAOptions{
		Device: int64(cuda.Device), DType: dtype, MaxBatch: int64(cuda.MaxBatch), Stem: int64(cuda.Stem),
		Temp: cuda.Temperature, Benchmark: cuda.Benchmark.Seconds(),
	}, list)
	if err != nil {
		return nil, fmt.Errorf("cannot build an engine for images of %d×%d on CUDA device %d: %w", config.Width, config.Height, cuda.Device, err)
	}
	return &CUDA{e}, nil
}

// Chosen is what was settled when a network was opened, and when a lane was made.
type Chosen struct {
	Stem    Stem
	Graphs  int  // batch sizes that have one
	Tried   int  // of these, how many run what cuDNN has tried
	Kernels bool // staging and max-pools run kernels of our own: see torch/csrc/cuda/kernels.h
}

// Chosen tells what was settled.
func (c *CUDA) Chosen() (Chosen, error) {
	info, err := c.Info()
	return Chosen{Stem(info.Stem), int(info.Buckets), int(info.Measured), info.Kernels != 0}, err
}
