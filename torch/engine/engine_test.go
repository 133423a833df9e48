package engine

import (
	"strings"
	"testing"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// tiny is a network that can be worked out by hand: a 1×1 convolution that sums
// the channels, added to the same once more and rectified, averaged, and a
// linear layer of two classes: the mean and its negative plus one.
func tiny() (Config, []Step) {
	config := Config{Height: 2, Width: 2, Classes: 2, Slots: 3, Std: [3]float32{1, 1, 1}}
	sum := Step{Kind: Conv, Kernel: 1, Stride: 1, Weight: []float32{1, 1, 1}, Bias: []float32{0}, Out: 1, In: 3}
	first, second := sum, sum
	first.Name, first.Residual, first.Output = "first", NoSlot, 1
	second.Name, second.Residual, second.Output, second.Relu = "second", 1, 1, true
	return config, []Step{first, second, {
		Name: "fc", Kind: PoolLinear, Input: 1, Residual: NoSlot,
		Weight: []float32{1, -1}, Bias: []float32{0, 1}, Out: 2, In: 1,
	}}
}

func TestTinyNetwork(t *testing.T) {
	torchtest.Need(t)
	for _, plain := range []bool{false, true} {
		config, steps := tiny()
		config.Plain = plain
		config.Mean = [3]float32{0.2, 0, 0}
		e, err := Open(config, steps)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		// One image of ones, one of zeros, whose sums 0.8+1+1 and -0.2 are doubled;
		// the second is rectified.
		images := make([]byte, 24)
		for i := range 12 {
			images[i] = 255
		}
		logits := make([]float32, 4)
		if err := e.Run(images, 2, logits); err != nil {
			t.Fatal(err)
		}
		for i, want := range []float32{5.6, -4.6, 0, 1} {
			if d := logits[i] - want; d > 1e-5 || d < -1e-5 {
				t.Errorf("plain %v: logit %d: got %v; want %v", plain, i, logits[i], want)
			}
		}
	}
}

// TestAveragePool: windows at the lower and right edge average what they have.
func TestAveragePool(t *testing.T) {
	torchtest.Need(t)
	config, steps := tiny()
	config.Height, config.Width = 3, 3
	pool := Step{Name: "pool", Kind: AvgPool, Residual: NoSlot, Output: 2, Kernel: 2, Stride: 2}
	steps[0].Input, steps[1].Input = 2, 2
	e, err := Open(config, append([]Step{pool}, steps...))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	// The image is 0 but for its last pixel, whose window of one is averaged with
	// three windows of zeros; the sum over channels is doubled.
	image := make([]byte, 27)
	copy(image[24:], []byte{255, 255, 255})
	logits := make([]float32, 2)
	if err := e.Run(image, 1, logits); err != nil {
		t.Fatal(err)
	}
	if logits[0] != 1.5 {
		t.Errorf("got %v; want 1.5", logits[0])
	}
}

// TestGroups: each half of the channels has filters of its own.
func TestGroups(t *testing.T) {
	torchtest.Need(t)
	for _, plain := range []bool{false, true} {
		config := Config{Height: 1, Width: 1, Classes: 1, Slots: 3, Std: [3]float32{1, 1, 1}, Plain: plain}
		spread := Step{Name: "spread", Kind: Conv, Residual: NoSlot, Output: 1, Kernel: 1, Stride: 1,
			Weight: []float32{1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1}, Bias: make([]float32, 4), Out: 4, In: 3}
		grouped := Step{Name: "grouped", Kind: Conv, Input: 1, Residual: NoSlot, Output: 2, Kernel: 1, Stride: 1,
			Groups: 2, Weight: []float32{1, 10, 100, 1000}, Bias: make([]float32, 2), Out: 2, In: 4}
		fc := Step{Name: "fc", Kind: PoolLinear, Input: 2, Residual: NoSlot,
			Weight: []float32{1, 1}, Bias: []float32{0}, Out: 1, In: 2}
		e, err := Open(config, []Step{spread, grouped, fc})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		logits := make([]float32, 1)
		if err := e.Run([]byte{51, 102, 255}, 1, logits); err != nil { // 0.2, 0.4, 1 and their sum
			t.Fatal(err)
		}
		if want := float32(0.2 + 4 + 100 + 1600); logits[0] != want {
			t.Errorf("plain %v: got %v; want %v", plain, logits[0], want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	torchtest.Need(t)
	f := func(change func(*Config, []Step), want string) {
		t.Helper()
		config, steps := tiny()
		change(&config, steps)
		e, err := Open(config, steps)
		if err == nil {
			e.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v; want one with %q", err, want)
		}
	}
	f(func(c *Config, _ []Step) { c.Height = 0 }, "must be positive")
	f(func(_ *Config, s []Step) { s[0].Weight = s[0].Weight[1:] }, "step 0 (first)")
	f(func(_ *Config, s []Step) { s[0].Kernel = 3; s[0].Weight = make([]float32, 27) }, "too small")
	f(func(_ *Config, s []Step) { s[0].Input = 2 }, "slot 2 is read before it is written")
	f(func(_ *Config, s []Step) { s[0].Output = 3 }, "step 0: there is no slot 3")
	f(func(_ *Config, s []Step) { s[1].Residual = 0 }, "step 1: its residual has another shape")
	f(func(_ *Config, s []Step) { s[1].Input = 1 }, "step 1: its weight [1, 3, 1, 1] does not fit 1 channels")
	f(func(_ *Config, s []Step) { s[1].Kind = 7 }, "unknown kind 7")
	f(func(_ *Config, s []Step) { s[1] = s[2] }, "must be the last step")
	f(func(c *Config, _ []Step) { c.Classes = 3 }, "step 2")
	f(func(c *Config, s []Step) { s[2].Bias = s[2].Bias[1:] }, "step 2 (fc)")
}

func TestRunRefuses(t *testing.T) {
	torchtest.Need(t)
	e, err := Open(tiny())
	if err != nil {
		t.Fatal(err)
	}
	f := func(bytes, n, logits int) {
		t.Helper()
		if err := e.Run(make([]byte, bytes), n, make([]float32, logits)); err == nil {
			t.Errorf("%d bytes, %d images, %d logits: got no error", bytes, n, logits)
		}
	}
	f(12, 0, 0)
	f(11, 1, 2)
	f(24, 1, 2)
	f(12, 1, 3)
	e.Close()
	e.Close()
	defer func() {
		if recover() == nil {
			t.Error("a closed engine ran")
		}
	}()
	f(12, 1, 2)
}
