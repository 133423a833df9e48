package engine

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// needCUDALibrary skips the test where the native library for GPUs is not. It needs no
// GPU.
func needCUDALibrary(t *testing.T) {
	t.Helper()
	torchtest.Need(t)
	if err := LoadCUDA(); err != nil {
		t.Skip(err)
	}
}

// residual is a network with everything that a ResNet has: a 7×7 stem, a max-pool, a
// shortcut with a convolution of its own behind an average pool, an identity, groups.
func residual(size int) (Config, []Step) {
	r := rand.New(rand.NewPCG(1, 2))
	conv := func(name string, in, residual, out int, kernel, stride, from, to, groups int64, relu bool) Step {
		weight, bias := make([]float32, to*from/groups*kernel*kernel), make([]float32, to)
		for i := range weight {
			weight[i] = float32(r.NormFloat64() / math.Sqrt(float64(from/groups*kernel*kernel)))
		}
		for i := range bias {
			bias[i] = float32(r.NormFloat64() / 4)
		}
		return Step{Name: name, Kind: Conv, Input: in, Residual: residual, Output: out, Kernel: kernel, Stride: stride,
			Padding: kernel / 2, Groups: groups, Relu: relu, Weight: weight, Bias: bias, In: from, Out: to}
	}
	fc := conv("fc", 2, NoSlot, 0, 1, 1, 24, 5, 1, false)
	fc.Kind = PoolLinear
	return Config{Height: size, Width: size, Classes: 5, Slots: 4, Mean: [3]float32{0.5, 0.4, 0.3}, Std: [3]float32{0.2, 0.25, 0.3}},
		[]Step{
			conv("conv1", 0, NoSlot, 1, 7, 2, 3, 16, 1, true),
			{Name: "maxpool", Kind: MaxPool, Input: 1, Residual: NoSlot, Output: 2, Kernel: 3, Stride: 2, Padding: 1},
			conv("identity.1", 2, NoSlot, 0, 3, 1, 16, 16, 2, true),
			conv("identity.2", 0, 2, 2, 3, 1, 16, 16, 1, true),
			{Name: "pool", Kind: AvgPool, Input: 2, Residual: NoSlot, Output: 3, Kernel: 2, Stride: 2},
			conv("shortcut", 3, NoSlot, 3, 1, 1, 16, 24, 1, false),
			conv("block.1", 2, NoSlot, 0, 3, 2, 16, 24, 1, true),
			conv("block.2", 0, 3, 3, 3, 1, 24, 24, 1, true),
			conv("last", 3, NoSlot, 2, 1, 1, 24, 24, 1, true),
			fc,
		}
}

func randomImages(n, size int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	images := make([]byte, n*size*size*3)
	for i := range images {
		images[i] = byte(r.Uint32())
	}
	return images
}

// TestCUDAProgram compares the program that a GPU runs, on the CPU, with the CPU's own.
func TestCUDAProgram(t *testing.T) {
	needCUDALibrary(t)
	const n = 3
	f := func(size int, stem, want Stem, p Precision, tolerance float64) {
		t.Helper()
		config, steps := residual(size)
		images := randomImages(n, size)
		logits := make([]float32, n*config.Classes)
		e, err := Open(config, steps)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := e.Run(images, n, logits); err != nil {
			t.Fatal(err)
		}
		c, err := OpenCUDA(config, CUDAConfig{Device: OnCPU, Precision: p, MaxBatch: 4, Stem: stem}, steps)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, err := c.Chosen(); err != nil || got.Stem != want || got.Kernels != (p != FP32) {
			t.Errorf("stem %v, precision %d: got %+v, %v; want %v, and kernels unless in fp32", stem, p, got, err, want)
		}
		lane, err := c.NewLane()
		if err != nil {
			t.Fatal(err)
		}
		defer lane.Close()
		answers := make([]float32, len(logits))
		copy(lane.Staging(), images)
		if err := errors.Join(lane.Send(0, 1), lane.Send(1, n-1), lane.Finish(n, true, answers)); err != nil {
			t.Fatal(err)
		}
		if d := distance(answers, logits); d > tolerance {
			t.Errorf("%d px, %v: %v away from the CPU's engine; want %v at most", size, stem, d, tolerance)
		}
		planes := normalised(config, images, n)
		if err := lane.FinishPlanes(planes, n, true, answers); err != nil {
			t.Fatal(err)
		}
		if d := distance(answers, logits); d > tolerance {
			t.Errorf("%d px, %v, planes: %v away from the CPU's engine; want %v at most", size, stem, d, tolerance)
		}
	}
	f(32, StemPlain, StemPlain, FP32, 1e-5)
	f(32, StemPadded, StemPadded, FP32, 1e-5)
	f(32, StemBlocks, StemBlocks, FP32, 1e-5)
	f(32, StemMeasured, StemBlocks, FP32, 1e-5)
	f(33, StemMeasured, StemPadded, FP32, 1e-5)
	for _, stem := range []Stem{StemPlain, StemPadded, StemBlocks} {
		f(32, stem, stem, BF16, 0.05)
		f(32, stem, stem, FP16, 0.01)
	}
	f(33, StemMeasured, StemPadded, FP16, 0.01)
}

// TestKernelsCompile: NVRTC needs no GPU to say whether the kernels are CUDA.
func TestKernelsCompile(t *testing.T) {
	needCUDALibrary(t)
	for _, capability := range []int{80, 86, 89, 90, 100, 120} {
		if err := libtorch.CompileKernels(capability/10, capability%10); err != nil {
			t.Errorf("%d: %v", capability, err)
		}
	}
	if err := libtorch.CompileKernels(1, 0); err == nil {
		t.Error("compiled for a device that CUDA does not know any more")
	}
}

// distance is the largest difference, as a part of the largest value.
func distance(got, want []float32) float64 {
	most, scale := 0.0, 0.0
	for i := range want {
		most = max(most, math.Abs(float64(got[i]-want[i])))
		scale = max(scale, math.Abs(float64(want[i])))
	}
	return most / scale
}

// normalised makes planes of images.
func normalised(c Config, images []byte, n int) []float32 {
	size := c.Height * c.Width
	planes := make([]float32, len(images))
	for i := range n {
		for p := range size {
			for ch := range 3 {
				planes[(3*i+ch)*size+p] = (float32(images[3*(i*size+p)+ch])/255 - c.Mean[ch]) / c.Std[ch]
			}
		}
	}
	return planes
}

// TestCUDAProbabilities: a lane's answers are softmax(logits / temperature), and a lane
// outlives what it was made of.
func TestCUDAProbabilities(t *testing.T) {
	needCUDALibrary(t)
	const temperature = 2.5
	config, steps := residual(32)
	c, err := OpenCUDA(config, CUDAConfig{Device: OnCPU, Precision: FP32, MaxBatch: 2, Temperature: temperature}, steps)
	if err != nil {
		t.Fatal(err)
	}
	lane, err := c.NewLane()
	if err != nil {
		t.Fatal(err)
	}
	defer lane.Close()
	c.Close()
	c.Close()
	copy(lane.Staging(), randomImages(2, 32))
	logits, answers := make([]float32, 10), make([]float32, 10)
	if err := errors.Join(lane.Send(0, 2), lane.Finish(2, true, logits), lane.Finish(2, false, answers)); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		sum := 0.0
		for _, l := range logits[5*i : 5*i+5] {
			sum += math.Exp(float64(l) / temperature)
		}
		for j, l := range logits[5*i : 5*i+5] {
			if want := math.Exp(float64(l)/temperature) / sum; math.Abs(want-float64(answers[5*i+j])) > 1e-6 {
				t.Errorf("image %d, class %d: got %v; want %v", i, j, answers[5*i+j], want)
			}
		}
	}
}

func TestCUDARefuses(t *testing.T) {
	needCUDALibrary(t)
	f := func(change func(*Config, *CUDAConfig, []Step)) {
		t.Helper()
		config, steps := residual(32)
		cuda := CUDAConfig{Device: OnCPU, Precision: FP32, MaxBatch: 4}
		change(&config, &cuda, steps)
		c, err := OpenCUDA(config, cuda, steps)
		if err == nil {
			c.Close()
			t.Error("got no error")
		}
	}
	f(func(_ *Config, c *CUDAConfig, _ []Step) { c.MaxBatch = 0 })
	f(func(_ *Config, c *CUDAConfig, _ []Step) { c.Precision = Int8 })
	f(func(_ *Config, c *CUDAConfig, _ []Step) { c.Temperature = -1 })
	f(func(_ *Config, c *CUDAConfig, _ []Step) { c.Device = 99 })
	f(func(c *Config, cuda *CUDAConfig, _ []Step) { c.Height = 33; cuda.Stem = StemBlocks })
	f(func(_ *Config, _ *CUDAConfig, s []Step) { s[0].Input = 1 })
	f(func(_ *Config, _ *CUDAConfig, s []Step) { s[1].Input = 4 })
	f(func(_ *Config, _ *CUDAConfig, s []Step) { s[1].Kind = 9 })
	f(func(_ *Config, _ *CUDAConfig, s []Step) { s[1].Kind = PoolLinear })

	config, steps := residual(32)
	c, err := OpenCUDA(config, CUDAConfig{Device: OnCPU, Precision: FP32, MaxBatch: 4}, steps)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lane, err := c.NewLane()
	if err != nil {
		t.Fatal(err)
	}
	defer lane.Close()
	for _, err := range []error{
		lane.Send(0, 5), lane.Send(-1, 1), lane.Send(2, 3), lane.Send(0, 0),
		lane.Finish(5, true, make([]float32, 25)), lane.Finish(0, true, nil), lane.Finish(1, true, make([]float32, 4)),
		lane.FinishPlanes(make([]float32, 3), 1, true, make([]float32, 5)),
	} {
		if err == nil {
			t.Error("got no error")
		}
	}
}
