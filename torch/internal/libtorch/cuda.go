package libtorch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"unsafe"
)

// What an engine's error on a GPU is about, beside its text.
var (
	// ErrDeviceLost: the device, or this process's use of it, is beyond repair. Every
	// later call on it fails.
	ErrDeviceLost = errors.New("the CUDA device is lost")
	// ErrDeviceMemory: the device's memory does not suffice.
	ErrDeviceMemory = errors.New("the CUDA device is out of memory")
)

// The TL_CUDA_* constants of torchlit_cuda.h.
const (
	cudaLost   = 2
	cudaMemory = 3
)

// CUDAOptions say how a program runs on a GPU; it has the layout of tl_cuda_options.
type CUDAOptions struct {
	Device    int64 // its index; -1 runs on the CPU, for tests
	DType     int64 // c10::ScalarType: float, half or bfloat16
	MaxBatch  int64 // of every lane
	Stem      int64 // form of the first convolution; 0 for the fastest
	Temp      float64
	Benchmark float64 // seconds that cuDNN may spend on trying its algorithms
}

// CUDAInfo tells what was chosen; it has the layout of tl_cuda_info.
type CUDAInfo struct {
	Stem     int64
	Buckets  int64 // batch sizes that have a graph
	Measured int64 // of these, how many run algorithms that cuDNN has tried
	Kernels  int64 // 1: it runs kernels of its own for what ATen is slow at
}

var loadedCUDA struct {
	once sync.Once
	err  error
}

// LoadCUDA opens the second native library, which lies beside the first. Only the first
// call does work. It succeeds without a GPU, too, where libtorch_cuda is.
func LoadCUDA() error {
	loadedCUDA.once.Do(func() { loadedCUDA.err = openCUDA() })
	return loadedCUDA.err
}

func openCUDA() error {
	if err := Load(); err != nil {
		return err
	}
	path := filepath.Join(filepath.Dir(Path()), "libtorchlit_cuda.so")
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: there is no %q; run 'make build CUDA=1' for one", ErrUnavailable, path)
	}
	if err := rawOpenCUDA(path); err != nil {
		return fmt.Errorf("%w: cannot open %q: %w", ErrUnavailable, path, err)
	}
	return nil
}

// CompileKernels compiles the kernels for a compute capability, which needs no GPU.
func CompileKernels(major, minor int) error {
	if err := LoadCUDA(); err != nil {
		return err
	}
	return doCUDA("cuda_compile", func(t *errorText) int32 { return rawCUDACompile(int64(major), int64(minor), t) })
}

// CUDAEngine is a program on one device: see torch/csrc/cuda. Any number of goroutines
// may use it at once.
type CUDAEngine struct {
	p       unsafe.Pointer
	config  EngineConfig
	options CUDAOptions
}

// OpenCUDAEngine puts the program's weights on a device. The caller closes the engine.
func OpenCUDAEngine(config EngineConfig, options CUDAOptions, steps []Step) (*CUDAEngine, error) {
	if err := LoadCUDA(); err != nil {
		return nil, err
	}
	e := &CUDAEngine{config: config, options: options}
	err := doCUDA("cuda_open", func(t *errorText) int32 { return rawCUDAOpen(&config, &options, steps, &e.p, t) })
	if err != nil {
		return nil, err
	}
	return e, nil
}

// doCUDA is do with the kinds of errors that a device has.
func doCUDA(name string, call func(e *errorText) int32) error {
	t := acquire()
	defer release(t)
	status := call(t)
	if status == 0 {
		return nil
	}
	err := &Error{name, t.String()}
	switch status {
	case cudaLost:
		return fmt.Errorf("%w: %w", ErrDeviceLost, err)
	case cudaMemory:
		return fmt.Errorf("%w: %w", ErrDeviceMemory, err)
	}
	return err
}

// Info tells what was chosen.
func (e *CUDAEngine) Info() (info CUDAInfo, err error) {
	e.mustBeOpen()
	err = doCUDA("cuda_info", func(t *errorText) int32 { return rawCUDAInfo(e.p, &info, t) })
	return info, err
}

// Close lets go of the engine; its lanes go on. Closing twice does nothing.
func (e *CUDAEngine) Close() {
	if e.p != nil {
		rawCUDAClose(e.p)
		e.p = nil
	}
}

func (e *CUDAEngine) mustBeOpen() {
	if e.p == nil {
		panic("BUG: CUDA engine used after Close")
	}
}

// CUDALane runs an engine's program for one goroutine at a time.
type CUDALane struct {
	p       unsafe.Pointer
	config  EngineConfig
	max     int
	staging []byte
}

// NewLane makes a lane, with its graphs. The caller closes it.
func (e *CUDAEngine) NewLane() (*CUDALane, error) {
	e.mustBeOpen()
	l := &CUDALane{config: e.config, max: int(e.options.MaxBatch)}
	var staging unsafe.Pointer
	err := doCUDA("cuda_lane_new", func(t *errorText) int32 { return rawCUDALaneNew(e.p, &l.p, &staging, t) })
	if err != nil {
		return nil, err
	}
	l.staging = unsafe.Slice((*byte)(staging), l.max*l.imageBytes())
	return l, nil
}

func (l *CUDALane) imageBytes() int { return int(l.config.Height * l.config.Width * 3) }

// Staging is page-locked memory for the largest batch, which the caller fills. It is
// there until Close.
func (l *CUDALane) Staging() []byte { return l.staging }

// Send begins to copy images [from, from+n) of the staging memory to the device. They
// must not change before the next Finish is over.
func (l *CUDALane) Send(from, n int) error {
	l.mustBeOpen()
	return doCUDA("cuda_lane_send", func(t *errorText) int32 { return rawCUDALaneSend(l.p, int64(from), int64(n), t) })
}

// Finish classifies the first n images, all of which were sent, and writes n·classes
// probabilities, or logits.
func (l *CUDALane) Finish(n int, logits bool, answers []float32) error {
	l.mustBeOpen()
	if err := l.check(n, len(answers)); err != nil {
		return err
	}
	return doCUDA("cuda_lane_run", func(t *errorText) int32 { return rawCUDALaneRun(l.p, int64(n), logits, answers, t) })
}

// FinishPlanes is Finish for images that are normalised already: n·3·height·width floats,
// plane by plane.
func (l *CUDALane) FinishPlanes(planes []float32, n int, logits bool, answers []float32) error {
	l.mustBeOpen()
	if err := l.check(n, len(answers)); err != nil {
		return err
	}
	if want := n * l.imageBytes(); len(planes) != want {
		return fmt.Errorf("cannot run %d images of %d×%d: got %d floats, want %d", n, l.config.Width, l.config.Height, len(planes), want)
	}
	return doCUDA("cuda_lane_planes", func(t *errorText) int32 {
		return rawCUDALanePlanes(l.p, planes, int64(n), logits, answers, t)
	})
}

func (l *CUDALane) check(n, answers int) error {
	if n < 1 || n > l.max {
		return fmt.Errorf("cannot run a batch of %d images: it takes 1 to %d", n, l.max)
	}
	if want := n * int(l.config.Classes); answers != want {
		return fmt.Errorf("cannot run %d images: room for %d answers, want %d", n, answers, want)
	}
	return nil
}

// Close frees the lane. Closing twice does nothing.
func (l *CUDALane) Close() {
	if l.p != nil {
		rawCUDALaneClose(l.p)
		l.p, l.staging = nil, nil
	}
}

func (l *CUDALane) mustBeOpen() {
	if l.p == nil {
		panic("BUG: CUDA lane used after Close")
	}
}
