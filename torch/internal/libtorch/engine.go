package libtorch

import (
	"fmt"
	"unsafe"
)

// What a Step does: the TL_STEP_* constants of torchlit.h.
const (
	StepConv       = iota // convolve, add the bias and the residual, rectify
	StepMaxPool           // square max-pool
	StepPoolLinear        // average over the image, then the linear layer; always the last
	StepAvgPool           // square average pool that keeps what is left at the edges
)

// Step is one operation of an engine's program on its slots, which hold the
// activations; it has the layout of tl_step. Slot 0 holds the images at first.
type Step struct {
	Kind            int64
	Input           int64 // slot read
	Residual        int64 // slot added before the rectifier and overwritten; -1 for none
	Output          int64 // slot written; the residual's when there is one
	Kernel          int64
	Stride, Padding int64
	Groups          int64
	Relu            int64  // 1: rectify the result
	Weight, Bias    Tensor // float32; borrowed while OpenEngine runs
	Scale           float64
	Zero            int64 // of the result's bytes, in Int8; a scale of 0 for floating point
}

// Precisions: the TL_FP32 constants of torchlit.h.
const (
	FP32 = iota
	BF16
	Int8
)

// EngineConfig describes an engine's images and results; it has the layout of
// tl_engine_config.
type EngineConfig struct {
	Height, Width int64 // of the images, in pixels
	Classes       int64 // logits an image
	Slots         int64
	Plain         int64 // 1: no fused operator
	Precision     int64
	Scale         float64 // of the images, as of a step's result
	Zero          int64
	Mean, Std     [3]float32 // of pixels scaled to 0..1, for R, G, B
}

// Engine runs a program: a batch of bytes in, their logits out, in one call. It
// belongs to one goroutine at a time; Share makes another for another.
type Engine struct {
	p      unsafe.Pointer
	config EngineConfig
}

// OpenEngine checks the program, packs its weights for this machine and keeps
// copies of them. The caller closes the engine.
func OpenEngine(config EngineConfig, steps []Step) (*Engine, error) {
	engine := &Engine{config: config}
	err := do("engine_open", func(e *errorText) int32 { return rawEngineOpen(&config, steps, &engine.p, e) })
	if err != nil {
		return nil, err
	}
	return engine, nil
}

// Share returns an engine for another goroutine that runs the same weights. The
// weights are freed when the last engine that shares them is closed.
func (e *Engine) Share() (*Engine, error) {
	e.mustBeOpen()
	other := &Engine{config: e.config}
	err := do("engine_share", func(t *errorText) int32 { return rawEngineShare(e.p, &other.p, t) })
	if err != nil {
		return nil, err
	}
	return other, nil
}

// Run classifies n images. images holds n·height·width·3 bytes: RGB, row by
// row, image after image. It writes n·classes logits. Batches of any size are
// taken.
func (e *Engine) Run(images []byte, n int, logits []float32) error {
	e.mustBeOpen()
	c := &e.config
	if want := n * int(c.Height*c.Width*3); n < 1 || len(images) != want {
		return fmt.Errorf("cannot run %d images of %d×%d: got %d bytes, want %d", n, c.Width, c.Height, len(images), want)
	}
	if want := n * int(c.Classes); len(logits) != want {
		return fmt.Errorf("cannot run %d images: room for %d logits, want %d", n, len(logits), want)
	}
	return do("engine_run", func(t *errorText) int32 { return rawEngineRun(e.p, images, int64(n), logits, t) })
}

// RunPlanes is Run for images that are normalised already: n·3·height·width floats,
// plane by plane.
func (e *Engine) RunPlanes(planes []float32, n int, logits []float32) error {
	e.mustBeOpen()
	c := &e.config
	if want := n * int(c.Height*c.Width*3); n < 1 || len(planes) != want {
		return fmt.Errorf("cannot run %d images of %d×%d: got %d floats, want %d", n, c.Width, c.Height, len(planes), want)
	}
	if want := n * int(c.Classes); len(logits) != want {
		return fmt.Errorf("cannot run %d images: room for %d logits, want %d", n, len(logits), want)
	}
	return do("engine_run_planes", func(t *errorText) int32 { return rawEngineRunPlanes(e.p, planes, int64(n), logits, t) })
}

// Shapes returns channels, height and width of what each of n steps makes of one
// image. It is what Trace writes.
func (e *Engine) Shapes(n int) ([][3]int64, error) {
	e.mustBeOpen()
	shapes := make([][3]int64, n)
	return shapes, do("engine_shapes", func(t *errorText) int32 { return rawEngineShapes(e.p, shapes, t) })
}

// Chunk returns how many images are computed at once: a larger batch runs in several
// pieces, and is no faster for each image.
func (e *Engine) Chunk() (n int64, err error) {
	e.mustBeOpen()
	err = do("engine_chunk", func(t *errorText) int32 { return rawEngineChunk(e.p, &n, t) })
	return n, err
}

// Trace is Run that writes the result of every step, one behind the other, each as
// [n, height, width, channels]. It is for comparing and calibrating: it runs the
// batch at once, however large, and is slow.
func (e *Engine) Trace(images []byte, n int, results []float32) error {
	e.mustBeOpen()
	if want := int64(n) * e.config.Height * e.config.Width * 3; n < 1 || int64(len(images)) != want {
		return fmt.Errorf("cannot trace %d images of %d bytes; want %d bytes", n, len(images), want)
	}
	return do("engine_trace", func(t *errorText) int32 { return rawEngineTrace(e.p, images, int64(n), results, t) })
}

// Supports tells whether this library and CPU can run a precision, and whether
// they have instructions for it.
func Supports(precision int64) (runs, fast bool, err error) {
	if err := Load(); err != nil {
		return false, false, err
	}
	var r, f int32
	err = do("engine_precision", func(t *errorText) int32 { return rawEnginePrecision(precision, &r, &f, t) })
	return r != 0, f != 0, err
}

// Close frees the engine. Closing twice does nothing.
func (e *Engine) Close() {
	if e.p == nil {
		return
	}
	t := acquire()
	defer release(t)
	if rawEngineClose(e.p, t) != 0 {
		panic("BUG: cannot close an engine: " + t.String())
	}
	e.p = nil
}

func (e *Engine) mustBeOpen() {
	if e.p == nil {
		panic("BUG: engine used after Close")
	}
}

// Resize scales an RGB image of width×height to dst, which is dstWidth×dstHeight,
// with Pillow's antialiased bilinear or bicubic filter. Any number of goroutines
// may call it at once; each uses its own thread only. Of src the part from the upper
// left corner counts that is extentWidth×extentHeight, all of it or part of the last
// column and row.
func Resize(src []byte, width, height int, extentWidth, extentHeight float64, dst []byte, dstWidth, dstHeight int, bicubic bool) error {
	if width < 1 || height < 1 || dstWidth < 1 || dstHeight < 1 ||
		len(src) != width*height*3 || len(dst) != dstWidth*dstHeight*3 {
		return fmt.Errorf("cannot resize %d×%d (%d bytes) to %d×%d (%d bytes): the sizes do not fit",
			width, height, len(src), dstWidth, dstHeight, len(dst))
	}
	if !(extentWidth > float64(width-1) && extentWidth <= float64(width) && extentHeight > float64(height-1) && extentHeight <= float64(height)) {
		return fmt.Errorf("cannot resize %v×%v of %d×%d", extentWidth, extentHeight, width, height)
	}
	return do("image_resize", func(e *errorText) int32 {
		return rawImageResize(src, int64(height), int64(width), extentHeight, extentWidth, dst, int64(dstHeight), int64(dstWidth), bicubic, e)
	})
}
