package engine

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// normal returns n numbers of such a deviation, the same at each call with the same seed.
func normal(seed uint64, n int, deviation float64) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * deviation)
	}
	return x
}

// wide is a network whose 3×3 convolutions of stride 1 have channels enough for Winograd's
// form: 64 to 64 without a residual, to 64 with one, to 128, and to 128 not rectified.
func wide(height, width int) (Config, []Step) {
	config := Config{Height: height, Width: width, Classes: 2, Slots: 4, Std: [3]float32{1, 1, 1}}
	conv := func(kernel, in, out int64, input, residual, output int, relu bool) Step {
		seed := uint64(kernel*1000 + in*10 + int64(output))
		return Step{
			Name: fmt.Sprintf("%d to %d", in, out), Kind: Conv, Kernel: kernel, Stride: 1, Padding: kernel / 2, Relu: relu,
			Weight: normal(seed, int(out*in*kernel*kernel), 1/math.Sqrt(float64(in*kernel*kernel))), Bias: normal(seed+1, int(out), 0.1),
			Input: input, Residual: residual, Output: output, In: in, Out: out,
		}
	}
	return config, []Step{
		conv(1, 3, 64, 0, NoSlot, 1, true),
		conv(3, 64, 64, 1, NoSlot, 2, true),
		conv(3, 64, 64, 2, 1, 1, true),
		conv(3, 64, 128, 1, NoSlot, 3, true),
		conv(3, 128, 128, 3, NoSlot, 2, false),
		{Name: "fc", Kind: PoolLinear, Input: 2, Residual: NoSlot, Weight: normal(9, 256, 0.1), Bias: []float32{0, 0}, Out: 2, In: 128},
	}
}

// TestWinograd compares each layer of an image with the plain form, whatever part of a tile its
// edges are, and however many images there are.
func TestWinograd(t *testing.T) {
	torchtest.Need(t)
	f := func(height, width, n int) {
		t.Helper()
		config, steps := wide(height, width)
		fast := trace(t, config, steps, n)
		config.Plain = true
		plain := trace(t, config, steps, n)
		for _, s := range steps {
			size := n * height * width * int(s.Out)
			if s.Kind == PoolLinear {
				size = n * int(s.Out)
			}
			if d := distance(fast[:size], plain[:size]); !(d < 1e-5) {
				t.Errorf("%d images of %d×%d, %s channels: %.1e of the largest away; want less than 1e-5", n, height, width, s.Name, d)
			}
			fast, plain = fast[size:], plain[size:]
		}
	}
	f(1, 1, 24)
	f(4, 4, 1)
	f(4, 4, 9)
	f(5, 7, 8)
	f(16, 12, 1)
	f(15, 13, 5)
	f(30, 31, 3)
	f(56, 56, 2)
}

// TestWinogradAVX2 is the same with the kernels of smaller processors, which a process chooses once.
func TestWinogradAVX2(t *testing.T) {
	torchtest.Need(t)
	test := exec.Command(os.Args[0], "-test.run=^TestWinograd$", "-test.v")
	test.Env = append(os.Environ(), "ATEN_CPU_CAPABILITY=avx2")
	if out, err := test.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestWinograd")) {
		t.Errorf("with AVX2 alone: %v\n%s", err, out)
	}
}

// trace returns all layers' results for n random images, one layer after the other.
func trace(t *testing.T, c Config, steps []Step, n int) []float32 {
	t.Helper()
	e, err := Open(c, steps)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	images := make([]byte, n*c.Height*c.Width*3)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range images {
		images[i] = byte(r.IntN(256))
	}
	size := n * int(steps[len(steps)-1].Out)
	for _, s := range steps[:len(steps)-1] {
		size += n * c.Height * c.Width * int(s.Out)
	}
	results := make([]float32, size)
	if err := e.Trace(images, n, results); err != nil {
		t.Fatal(err)
	}
	return results
}
