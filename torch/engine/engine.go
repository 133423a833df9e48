// Package engine runs an image classifier one C call a batch.
//
// A network is a short list of [Step]s on numbered slots, with BatchNorm folded
// into its convolutions. [Open] checks it, works out every shape and packs the
// weights for this machine; [Engine.Run] takes 8-bit images as they came from
// the decoder and writes logits. Nothing is allocated in Go on the way, and no
// tensor has a handle.
//
// The package knows no architecture: package predict makes the steps.
package engine

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Kind is what a step does.
type Kind int64

const (
	// Conv convolves, adds the bias and, if given, the residual, and rectifies.
	Conv Kind = libtorch.StepConv
	// MaxPool is a square max-pool.
	MaxPool Kind = libtorch.StepMaxPool
	// PoolLinear averages over the image and applies the linear layer. It is the
	// last step, and its result the logits.
	PoolLinear Kind = libtorch.StepPoolLinear
	// AvgPool is a square average pool without padding. What a window lacks at the
	// lower and right edge does not count (PyTorch: ceil_mode, not
	// count_include_pad).
	AvgPool Kind = libtorch.StepAvgPool
)

// NoSlot as Step.Residual says that nothing is added.
const NoSlot = -1

// Step is one operation. Slot 0 holds the images when a run begins.
type Step struct {
	Name     string // for errors, such as "layer1.0.conv2"
	Kind     Kind
	Input    int // slot read
	Residual int // slot added before the rectifier and then overwritten, or NoSlot
	Output   int // slot written: the residual's, if there is one

	Kernel, Stride, Padding int64
	Groups                  int64 // of a convolution; 0 means 1
	Relu                    bool

	Weight []float32 // [Out, In/Groups, Kernel, Kernel], or [Out, In] of the linear layer
	Bias   []float32 // [Out]
	Out    int64
	In     int64

	// Bytes is how the result is stored in Int8. A convolution that reads bytes has
	// int8 weights, with a scale for each output channel.
	Bytes Bytes
}

// Bytes says what a byte b of an activation stands for: Scale · (b − Zero). The zero
// Bytes means that the activation is kept in floating point.
type Bytes struct {
	Scale float64
	Zero  int64 // 0 to 255
}

// Precision is what an engine computes in.
type Precision int64

// The precisions. In Int8, what is not kept as bytes is BF16 where the CPU has it,
// else FP32. The pool before the linear layer and that layer's sums are FP32 in all of them; its
// weights are what floating point is kept in.
const (
	FP32 Precision = libtorch.FP32
	BF16 Precision = libtorch.BF16
	Int8 Precision = libtorch.Int8
)

// Supports tells whether the native library runs a precision on this CPU at all, and
// whether there are instructions for it (AVX-512 BF16, VNNI, AMX), without which it
// is no faster than FP32.
func Supports(p Precision) (runs, fast bool, err error) { return libtorch.Supports(int64(p)) }

// Config describes the images and the logits.
type Config struct {
	Height, Width int // of every image, in pixels
	Classes       int
	Slots         int        // that the steps use
	Mean, Std     [3]float32 // of pixels scaled to 0..1, for R, G, B

	Precision Precision
	Images    Bytes // in Int8: of the images once they are normalised

	// Plain avoids the fused operators, as on a libtorch without oneDNN. The
	// logits differ by rounding only; it serves as the yardstick of tests.
	Plain bool
}

// Engine runs one network for one goroutine at a time.
type Engine = libtorch.Engine

// Load opens the native library, which every other function does by itself; its
// error says what is missing.
func Load() error { return libtorch.Load() }

// SetThreads sets how many threads the engines run by the calling thread use. A
// runner that has locked its thread calls it once, before its first run.
func SetThreads(n int) error { return libtorch.SetNumThreads(n) }

// Resize scales an 8-bit RGB image with Pillow's antialiased bilinear or bicubic
// filter, within 2/255 of Pillow's own result. Both slices hold width·height·3
// bytes. Any number of goroutines may call it at once; each uses its own thread
// only.
func Resize(src []byte, width, height int, dst []byte, dstWidth, dstHeight int, bicubic bool) error {
	return ResizeExtent(src, width, height, float64(width), float64(height), dst, dstWidth, dstHeight, bicubic)
}

// ResizeExtent is Resize for an image whose last column and row stand for less than a
// pixel, which extentWidth and extentHeight tell: at most one less than the sizes.
func ResizeExtent(src []byte, width, height int, extentWidth, extentHeight float64, dst []byte, dstWidth, dstHeight int, bicubic bool) error {
	return libtorch.Resize(src, width, height, extentWidth, extentHeight, dst, dstWidth, dstHeight, bicubic)
}

// Open builds an engine. The steps' weights are copied. The caller closes the
// engine.
func Open(config Config, steps []Step) (*Engine, error) {
	if err := libtorch.Load(); err != nil {
		return nil, err
	}
	list, made, err := lowerAll(steps)
	defer func() { libtorch.Free(made...) }()
	if err != nil {
		return nil, err
	}
	e, err := libtorch.OpenEngine(config.native(), list)
	if err != nil {
		return nil, fmt.Errorf("cannot build an engine for images of %d×%d: %w", config.Width, config.Height, err)
	}
	return e, nil
}

// native is the configuration as the native library has it.
func (c *Config) native() libtorch.EngineConfig {
	plain := int64(0)
	if c.Plain {
		plain = 1
	}
	return libtorch.EngineConfig{
		Height: int64(c.Height), Width: int64(c.Width),
		Classes: int64(c.Classes), Slots: int64(c.Slots),
		Plain: plain, Mean: c.Mean, Std: c.Std,
		Precision: int64(c.Precision), Scale: c.Images.Scale, Zero: c.Images.Zero,
	}
}

// lowerAll makes the native form of the steps. The caller frees made once the engine
// has its copies, after an error too.
func lowerAll(steps []Step) (list []libtorch.Step, made []libtorch.Value, err error) {
	list = make([]libtorch.Step, len(steps))
	for i := range steps {
		if list[i], err = lower(&steps[i], &made); err != nil {
			return nil, made, fmt.Errorf("cannot build step %d (%s): %w", i, steps[i].Name, err)
		}
	}
	return list, made, nil
}

// lower makes the native form of a step. Tensors that it makes are added to made.
func lower(s *Step, made *[]libtorch.Value) (libtorch.Step, error) {
	low := libtorch.Step{
		Kind: int64(s.Kind), Input: int64(s.Input), Residual: int64(s.Residual), Output: int64(s.Output),
		Kernel: s.Kernel, Stride: s.Stride, Padding: s.Padding, Groups: max(1, s.Groups),
		Scale: s.Bytes.Scale, Zero: s.Bytes.Zero,
	}
	if s.Relu {
		low.Relu = 1
	}
	if s.Kind == MaxPool || s.Kind == AvgPool {
		return low, nil
	}
	shape := []int64{s.Out, s.In / low.Groups, s.Kernel, s.Kernel}
	if s.Kind == PoolLinear {
		shape = shape[:2]
	}
	var err error
	if low.Weight, err = upload(s.Weight, shape, made); err == nil {
		low.Bias, err = upload(s.Bias, []int64{s.Out}, made)
	}
	return low, err
}

func upload(values []float32, shape []int64, made *[]libtorch.Value) (libtorch.Tensor, error) {
	const float = 6 // c10::ScalarType::Float
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
	r, _, err := libtorch.FromData(bytes, float, shape)
	runtime.KeepAlive(values)
	if err != nil {
		return nil, err
	}
	*made = append(*made, libtorch.TensorValue(r.Tensor()))
	return r.Tensor(), nil
}
