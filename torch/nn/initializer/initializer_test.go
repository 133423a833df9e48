package initializer_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn/initializer"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// Package nn compares the numbers with those that PyTorch draws from the same seed.

func TestManualSeed(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	initializer.ManualSeed(1)
	x := torch.RandN([]int64{1}, false)
	defer x.Close()
	assert.InDelta(t, 0.66135216, x.Float64(), 1e-7) // torch.manual_seed(1); torch.randn(1)
}

// TestStatistics checks the mean, the standard deviation and the bounds of what is drawn. With
// 200,000 numbers the mean and the deviation of the sample miss those of the
// distribution by less than a hundredth of the deviation.
func TestStatistics(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(mean, std, low, high float64, draw func(w *torch.Tensor)) {
		t.Helper()
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			initializer.ManualSeed(3)
			w := torch.Empty([]int64{1000, 200}, true)
			draw(&w)
			assert.True(t, w.RequiresGrad())
			assert.InDelta(t, mean, torch.Mean(w).Float64(), std/100)
			assert.InDelta(t, std, torch.Std(w, nil, 1, false).Float64(), std/100)
			assert.GreaterOrEqual(t, torch.Min(w).Float64(), low)
			assert.LessOrEqual(t, torch.Max(w).Float64(), high)
		})
	}
	inf := math.Inf(1)
	f(0, 0, 0, 0, func(w *torch.Tensor) { initializer.Zeros(w) })
	f(1, 0, 1, 1, func(w *torch.Tensor) { initializer.Ones(w) })
	f(1, 4/math.Sqrt(12), -1, 3, func(w *torch.Tensor) { initializer.Uniform(w, -1, 3) })
	f(2, 0.5, -inf, inf, func(w *torch.Tensor) { initializer.Normal(w, 2, 0.5) })
	he := math.Sqrt(2.0 / 200)
	f(0, he, -he*math.Sqrt(3), he*math.Sqrt(3), func(w *torch.Tensor) { initializer.KaimingUniform(w, 0, "fan_in", "relu") })
	f(0, 1/math.Sqrt(1000), -inf, inf, func(w *torch.Tensor) { initializer.KaimingNormal(w, 0, "fan_out", "linear") })
	glorot := 3 * math.Sqrt(2.0/1200)
	f(0, glorot, -glorot*math.Sqrt(3), glorot*math.Sqrt(3), func(w *torch.Tensor) { initializer.XavierUniform(w, 3) })
	f(0, glorot, -inf, inf, func(w *torch.Tensor) { initializer.XavierNormal(w, 3) })
	// Half of a normal distribution has mean √(2/π) and variance 1 - 2/π.
	f(math.Sqrt(2/math.Pi), math.Sqrt(1-2/math.Pi), 0, 40, func(w *torch.Tensor) { initializer.TruncNormal(w, 0, 1, 0, 40) })
}

func TestOrthogonal(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(gain float64, shape ...int64) {
		t.Helper()
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			w := torch.Empty(shape, true)
			initializer.Orthogonal(&w, gain)
			m := torch.Flatten(w, 1, -1)
			if s := m.Shape(); s[0] > s[1] {
				m = m.Transpose(0, 1)
			}
			n := m.Shape()[0]
			want := torch.Eye(n, n, false).MulScalar(gain * gain)
			assert.Less(t, torch.Max(torch.Abs(m.MM(m.Transpose(0, 1)).Sub(want, 1))).Float64(), 1e-5)
		})
	}
	f(1, 4, 4)
	f(1.5, 5, 2, 4)
	f(1, 9, 4)
}

func TestCalculateFanInAndFanOut(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	w := torch.Empty([]int64{6, 4, 3, 2}, false)
	defer w.Close()
	in, out := initializer.CalculateFanInAndFanOut(w)
	assert.Equal(t, []int64{24, 36}, []int64{in, out})
}

func TestEmptyTensors(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	w := torch.Empty([]int64{0, 3}, true)
	defer w.Close()
	initializer.KaimingUniform(&w, 0, "fan_out", "relu")
	initializer.Orthogonal(&w, 1)
}

func TestMisuse(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(want string, err error) {
		t.Helper()
		assert.ErrorContains(t, err, want)
	}
	w, v := torch.Empty([]int64{2, 2}, false), torch.Empty([]int64{2}, false)
	defer w.Close()
	defer v.Close()
	f("the tensor is nil", torch.Try(func() { initializer.Zeros(nil) }))
	f("the tensor is nil", torch.Try(func() { initializer.Ones(&torch.Tensor{}) }))
	f(`the non-linearity "swish"`, initializer.TryKaimingUniform(&w, 0, "fan_in", "swish"))
	f(`the fan mode is "fan"; use fan_in or fan_out`, initializer.TryKaimingNormal(&w, 0, "fan", "relu"))
	f("a weight of 1 dimensions has no fans", initializer.TryXavierUniform(&v, 1))
	f("a weight of 1 dimensions has no fans", initializer.TryXavierNormal(&v, 1))
	f("two dimensions or more, not 1", initializer.TryOrthogonal(&v, 1))
	f("the tensor is nil", torch.Try(func() { initializer.CalculateFanInAndFanOut(torch.Tensor{}) }))
}
