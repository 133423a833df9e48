package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// These tests need a GPU; scripts/gpu-check runs them on a machine that has one, and sets
// TORCHLIT_REQUIRE_GPU so that none is skipped there.

func needGPU(t *testing.T) {
	t.Helper()
	torchtest.Need(t)
	err := LoadCUDA()
	if err == nil && torch.CUDADeviceCount() > 0 {
		return
	}
	if err == nil {
		err = errors.New("there is no CUDA device")
	}
	if os.Getenv("TORCHLIT_REQUIRE_GPU") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func mustOpenGPU(t *testing.T, config Config, cuda CUDAConfig, steps []Step) *CUDA {
	t.Helper()
	c, err := OpenCUDA(config, cuda, steps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func mustLane(t *testing.T, c *CUDA) *Lane {
	t.Helper()
	lane, err := c.NewLane()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lane.Close)
	return lane
}

// cpuLogits are those of the CPU's engine, in fp32.
func cpuLogits(t *testing.T, config Config, steps []Step, images []byte, n int) []float32 {
	t.Helper()
	e, err := Open(config, steps)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	logits := make([]float32, n*config.Classes)
	if err := e.Run(images, n, logits); err != nil {
		t.Fatal(err)
	}
	return logits
}

// TestGPUProgram compares the GPU with the CPU: every form of the stem, every precision,
// batches of every size, each of which runs in its own or a larger graph.
func TestGPUProgram(t *testing.T) {
	needGPU(t)
	const most = 12
	f := func(size int, stem Stem, p Precision, benchmark time.Duration, tolerance float64) {
		t.Run(fmt.Sprintf("%dpx/%v/%d/%v", size, stem, p, benchmark), func(t *testing.T) {
			config, steps := residual(size)
			images := randomImages(most, size)
			want := cpuLogits(t, config, steps, images, most)
			c := mustOpenGPU(t, config, CUDAConfig{Precision: p, MaxBatch: most, Stem: stem, Benchmark: benchmark}, steps)
			lane := mustLane(t, c)
			imageBytes := size * size * 3
			chosen, err := c.Chosen()
			t.Logf("%+v, %v", chosen, err)
			if p != FP32 && !chosen.Kernels {
				t.Error("the kernels are not used: they do not compile, or give other results than ATen")
			}
			for n := 1; n <= most; n++ {
				got := make([]float32, n*config.Classes)
				from := most - n // so that each size sees other images
				copy(lane.Staging(), images[from*imageBytes:])
				half := (n + 1) / 2
				err := lane.Send(0, half)
				if half < n {
					err = errors.Join(err, lane.Send(half, n-half))
				}
				if err := errors.Join(err, lane.Finish(n, true, got)); err != nil {
					t.Fatal(err)
				}
				if d := distance(got, want[from*config.Classes:]); !(d <= tolerance) {
					t.Errorf("a batch of %d: %v away from the CPU; want %v at most", n, d, tolerance)
				}
			}
			got := make([]float32, len(want))
			if err := lane.FinishPlanes(normalised(config, images, most), most, true, got); err != nil {
				t.Fatal(err)
			}
			if d := distance(got, want); !(d <= tolerance) {
				t.Errorf("planes: %v away from the CPU; want %v at most", d, tolerance)
			}
		})
	}
	// float32 convolutions run on TF32, as PyTorch's do: 10 bits behind the point.
	for _, stem := range []Stem{StemPlain, StemPadded, StemBlocks} {
		f(64, stem, FP32, 0, 5e-3)
		f(64, stem, FP16, 0, 1e-2)
		f(64, stem, BF16, 0, 5e-2)
	}
	f(65, StemMeasured, FP16, 0, 1e-2)
	f(64, StemMeasured, FP16, time.Minute, 1e-2)
}

// TestGPULanes: lanes of one device that run at once, in batches of changing sizes, do
// not touch each other's images or answers.
func TestGPULanes(t *testing.T) {
	needGPU(t)
	const lanes, most, rounds, size = 4, 9, 50, 64
	config, steps := residual(size)
	images := randomImages(most, size)
	imageBytes := size * size * 3
	want := cpuLogits(t, config, steps, images, most)
	c := mustOpenGPU(t, config, CUDAConfig{Precision: FP16, MaxBatch: most}, steps)
	var wg sync.WaitGroup
	for i := range lanes {
		lane := mustLane(t, c)
		r := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			for range rounds {
				n := 1 + r.IntN(most)
				from := r.IntN(most - n + 1)
				got := make([]float32, n*config.Classes)
				copy(lane.Staging(), images[from*imageBytes:(from+n)*imageBytes])
				if err := errors.Join(lane.Send(0, n), lane.Finish(n, true, got)); err != nil {
					t.Error(err)
					return
				}
				if d := distance(got, want[from*config.Classes:(from+n)*config.Classes]); !(d <= 1e-2) {
					t.Errorf("lane %d: images %d to %d are %v away from the CPU", i, from, from+n, d)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestGPUMemory: asking for more than the device has is told apart, and does no harm.
func TestGPUMemory(t *testing.T) {
	needGPU(t)
	config, steps := residual(64)
	c := mustOpenGPU(t, config, CUDAConfig{Precision: FP16, MaxBatch: 1, Stem: StemPlain}, steps)
	before := mustLane(t, c)
	huge := mustOpenGPU(t, config, CUDAConfig{Precision: FP16, MaxBatch: 1 << 25, Stem: StemPlain}, steps) // 400 GB of images
	if lane, err := huge.NewLane(); !errors.Is(err, ErrDeviceMemory) {
		if err == nil {
			lane.Close()
		}
		t.Errorf("got %v; want ErrDeviceMemory", err)
	}
	for _, lane := range []*Lane{before, mustLane(t, c)} {
		if err := errors.Join(lane.Send(0, 1), lane.Finish(1, true, make([]float32, config.Classes))); err != nil {
			t.Errorf("after another ran out of memory: %v", err)
		}
	}
}
