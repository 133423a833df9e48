package nn_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/nn/initializer"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// TestInitialValues compares what modules and initialisers draw with what PyTorch draws
// from the same seed. Uniform numbers are the same to the last bit. Normal ones go
// through logarithms and cosines, whose last bits are the processor's.
func TestInitialValues(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	missing := map[string]bool{}
	for _, key := range goldens().Names() {
		if strings.HasPrefix(key, "init/") {
			missing[strings.Split(key, "/")[1]] = true
		}
	}
	same := func(key string, exact bool, got torch.Tensor) {
		t.Helper()
		want, ok := golden(key)
		require.True(t, ok, key)
		if exact {
			assert.Equal(t, torch.Slice[float32](want), torch.Slice[float32](got), key)
		} else {
			near(t, key, want, got)
		}
	}
	module := func(name string, exact bool, make func() nn.IModule) {
		t.Helper()
		delete(missing, name)
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			initializer.ManualSeed(7)
			for key, value := range nn.TorchStateDict(make()) {
				same("init/"+name+"/"+key, exact, value)
			}
		})
	}
	module("linear", true, func() nn.IModule { return nn.Linear(5, 3, true) })
	module("conv2d", true, func() nn.IModule { return nn.Conv2d(4, 6, 3, 1, 0, 1, 2, true, "zeros") })
	module("conv_transpose2d", true, func() nn.IModule { return nn.ConvTranspose2d(4, 6, 3, 1, 0, 0, 2, true, 1, "zeros") })
	module("conv1d", true, func() nn.IModule { return nn.Conv1d(4, 6, 3, nn.ConvOptions{}) })
	module("embedding", false, func() nn.IModule { return nn.Embedding(5, 4, nn.EmbeddingOptions{PaddingIdx: new(int64(2))}) })
	module("attention", true, func() nn.IModule { return nn.MultiheadAttention(8, 2, nn.AttentionOptions{}) })
	module("encoder", true, func() nn.IModule { return nn.TransformerEncoderLayer(8, 2, 0.1, nn.EncoderOptions{Feedforward: 5}) })
	deep := nn.RecurrentOptions{Layers: 2, Bidirectional: true}
	module("lstm", true, func() nn.IModule { return nn.LSTM(3, 2, deep) })
	module("gru", true, func() nn.IModule { return nn.GRU(3, 2, deep) })

	weight := func(name string, exact bool, f func(w *torch.Tensor), shape ...int64) {
		t.Helper()
		delete(missing, name)
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			initializer.ManualSeed(7)
			w := torch.Empty(shape, true)
			f(&w)
			same("init/"+name+"/weight", exact, w)
			assert.True(t, w.RequiresGrad())
		})
	}
	for _, mode := range []string{"fan_in", "fan_out"} {
		for _, nonLinearity := range []string{"relu", "leaky_relu", "tanh", "selu", "conv2d"} {
			weight("kaiming_uniform_"+mode+"_"+nonLinearity, true,
				func(w *torch.Tensor) { initializer.KaimingUniform(w, 0.3, mode, nonLinearity) }, 6, 4, 3, 3)
		}
	}
	weight("uniform", true, func(w *torch.Tensor) { initializer.Uniform(w, -2, 3) }, 6, 4, 3, 3)
	weight("normal", false, func(w *torch.Tensor) { initializer.Normal(w, 0.1, 0.2) }, 6, 4, 3, 3)
	weight("kaiming_normal", false, func(w *torch.Tensor) { initializer.KaimingNormal(w, 0.3, "fan_out", "leaky_relu") }, 6, 4, 3, 3)
	weight("xavier_uniform", true, func(w *torch.Tensor) { initializer.XavierUniform(w, 1.5) }, 6, 4, 3, 3)
	weight("xavier_normal", false, func(w *torch.Tensor) { initializer.XavierNormal(w, 1.5) }, 6, 4, 3, 3)
	weight("trunc_normal", false, func(w *torch.Tensor) { initializer.TruncNormal(w, 0.5, 2, -1, 1.5) }, 6, 4, 3, 3)
	weight("orthogonal_wide", false, func(w *torch.Tensor) { initializer.Orthogonal(w, 2) }, 3, 2, 4)
	weight("orthogonal_tall", false, func(w *torch.Tensor) { initializer.Orthogonal(w, 1) }, 6, 4)
	assert.Empty(t, missing, "cases of golden.py that no test runs")
}

// The default initialisation keeps to its bounds, and fills them.
func TestDefaultBounds(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		initializer.ManualSeed(1)
		bound := 1 / math.Sqrt(16*3*3)
		c := nn.Conv2d(32, 64, 3, 1, 1, 1, 2, true, "zeros")
		for _, p := range c.Parameters() {
			assert.InDelta(t, bound, torch.Max(p).Float64(), bound/10)
			assert.InDelta(t, -bound, torch.Min(p).Float64(), bound/10)
			assert.LessOrEqual(t, torch.Max(torch.Abs(p)).Float64(), bound)
		}
		assert.InDelta(t, bound/math.Sqrt(3), torch.Std(c.Weight, nil, 1, false).Float64(), bound/50)
	})
}
