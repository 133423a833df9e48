package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// shape is a convolution of bytes or bf16, read by one of kernel 1 that makes its channels.
type shape struct {
	kernel, stride, padding int64
	in, out                 int64
	height, width, images   int
	residual                bool
	zero                    int64 // of the bytes that it reads, and writes
}

func (s shape) String() string {
	return fmt.Sprintf("%d images of %d×%d, %d×%d stride %d padding %d, %d to %d channels, residual %v, zero %d",
		s.images, s.height, s.width, s.kernel, s.kernel, s.stride, s.padding, s.in, s.out, s.residual, s.zero)
}

// steps is the shape's network. With zero 0 both results are rectified.
func (s shape) steps(p Precision) (Config, []Step) {
	config := Config{Height: s.height, Width: s.width, Classes: 2, Slots: 3, Std: [3]float32{1, 1, 1}, Precision: p, Images: Bytes{Scale: 1. / 255}}
	conv := func(kernel, stride, padding, in, out int64, output int) Step {
		return Step{
			Name: "conv", Kind: Conv, Kernel: kernel, Stride: stride, Padding: padding, Relu: s.zero == 0, In: in, Out: out,
			Weight: normal(uint64(in), int(out*in*kernel*kernel), 1/math.Sqrt(float64(in*kernel*kernel))), Bias: normal(3, int(out), 0.1),
			Input: output - 1, Residual: NoSlot, Output: output, Bytes: Bytes{Scale: 4. / 255, Zero: s.zero},
		}
	}
	steps := []Step{conv(1, 1, 0, 3, s.in, 1), conv(s.kernel, s.stride, s.padding, s.in, s.out, 2)}
	if s.in == 3 { // the images themselves
		steps = steps[1:]
		steps[0].Input = 0
	}
	last := Step{Name: "fc", Kind: PoolLinear, Input: 2, Residual: NoSlot, Weight: normal(9, int(2*s.out), 0.1), Bias: []float32{1, 2}, Out: 2, In: s.out}
	if s.residual {
		add := conv(s.kernel, s.stride, s.padding, s.out, s.out, 1)
		add.Input, add.Residual, add.Output = 2, 1, 1
		steps, last.Input = append(steps, add), 1
	}
	return config, append(steps, last)
}

// layers returns each step's results on random images.
func (s shape) layers(t *testing.T, p Precision, plain bool) [][]float32 {
	t.Helper()
	config, steps := s.steps(p)
	config.Plain = plain
	e, err := Open(config, steps)
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	defer e.Close()
	shapes, err := e.Shapes(len(steps))
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, d := range shapes {
		size += s.images * int(d[0]*d[1]*d[2])
	}
	images := make([]byte, s.images*s.height*s.width*3)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range images {
		images[i] = byte(r.IntN(256))
	}
	results := make([]float32, size)
	if err := e.Trace(images, s.images, results); err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	var layers [][]float32
	for _, d := range shapes {
		n := s.images * int(d[0]*d[1]*d[2])
		layers = append(layers, results[:n])
		results = results[n:]
	}
	return layers
}

// TestForms compares the form that this processor takes for a convolution, of whatever kernel, border and number
// of images, with the plain one. In int8 the sums are whole numbers: a byte is the plain one's
// but where a result lies between two, or where what was read did, so that a hundredth of their mean square
// is already a border, a zero or a channel that is wrong.
func TestForms(t *testing.T) {
	torchtest.Need(t)
	shapes := []shape{
		{3, 1, 1, 64, 64, 7, 7, 1, true, 0},
		{3, 1, 1, 64, 64, 7, 7, 8, true, 0},
		{3, 1, 1, 64, 128, 1, 1, 3, false, 0},
		{3, 1, 1, 64, 64, 2, 3, 5, true, 0},
		{3, 1, 1, 128, 64, 14, 13, 5, false, 0},
		{3, 1, 1, 64, 64, 20, 33, 2, true, 7},
		{3, 2, 1, 64, 128, 14, 14, 3, false, 0},
		{3, 2, 1, 64, 192, 9, 15, 1, false, 100},
		{1, 2, 0, 64, 128, 15, 15, 4, false, 0},
		{1, 1, 0, 20, 64, 5, 9, 2, false, 0},
		{5, 3, 2, 12, 64, 17, 11, 3, false, 0},
		{5, 1, 4, 10, 64, 3, 4, 2, false, 0}, // channels that fill no four bytes, more padding than image
		{7, 2, 3, 3, 64, 32, 64, 3, false, 0},
		{7, 2, 3, 3, 64, 33, 31, 2, false, 3},
		{3, 1, 1, 64, 64, 56, 56, 3, true, 0},
	}
	t.Run("bf16", func(t *testing.T) { compareForms(t, BF16, 0.008, shapes) })
	t.Run("int8", func(t *testing.T) { compareForms(t, Int8, 0.01, shapes) })
}

func compareForms(t *testing.T, p Precision, tolerance float64, shapes []shape) {
	runs, fast, err := Supports(p)
	if err != nil {
		t.Fatal(err)
	}
	if !runs || p == Int8 && !fast { // without VNNI oneDNN halves the weights, lest sums of 16 bits overflow
		t.Skip("this CPU or libtorch cannot run it, or has no instructions for it")
	}
	runtime.LockOSThread()                   // for good: the number of threads is a setting of it
	for _, threads := range []int{1, 2, 5} { // more than images, too
		if err := SetThreads(threads); err != nil {
			t.Fatal(err)
		}
		for _, s := range shapes {
			s.compare(t, p, tolerance)
		}
	}
}

func (s shape) compare(t *testing.T, p Precision, tolerance float64) {
	t.Helper()
	want := s.layers(t, p, true)
	for i, got := range s.layers(t, p, false) {
		d, square := 0.0, 0.0
		for j, w := range want[i] {
			d += math.Pow(float64(got[j]-w), 2)
			square += math.Pow(float64(w), 2)
		}
		if e := math.Sqrt(d / square); !(e < tolerance) {
			t.Errorf("precision %v, %v: step %d differs by %.4f of its root mean square; want less than %v", p, s, i, e, tolerance)
		}
	}
}
