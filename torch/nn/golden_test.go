package nn_test

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	F "github.com/torchlit/torchlit/torch/nn/functional"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// The goldens are PyTorch's: see testdata/golden.py.
var goldens = sync.OnceValue(func() *safetensors.File {
	f, err := safetensors.Open("testdata/modules.safetensors")
	if err != nil {
		panic(err)
	}
	return f
})

// golden returns a tensor of the file, and whether it is there.
func golden(name string) (torch.Tensor, bool) {
	v, ok := goldens().Tensor(name)
	if !ok {
		return torch.Tensor{}, false
	}
	dtype := map[safetensors.DType]int8{safetensors.F32: torch.Float, safetensors.I64: torch.Long, safetensors.Bool: torch.Bool}[v.DType]
	return torch.FromBytes(v.Data, dtype, v.Shape...), true
}

// The same operators sum in another order on another processor, and numbers of float32
// that cancel out keep fewer than their seven digits.
const (
	relative = 1e-4
	absolute = 1e-5
)

func near(t *testing.T, name string, want, got torch.Tensor) {
	t.Helper()
	require.NotNil(t, got.T, "%s: there is no tensor", name)
	require.Equal(t, want.Shape(), got.Shape(), name)
	a, b := torch.Slice[float32](want), torch.Slice[float32](got)
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > absolute+relative*math.Abs(float64(a[i])) {
			t.Errorf("%s[%d]: got %g; want %g", name, i, b[i], a[i])
			return
		}
	}
}

// check runs a module with PyTorch's parameters on its inputs, forward and backward.
func check(t *testing.T, name string, module nn.IModule, forward func(x []torch.Tensor) []torch.Tensor) {
	t.Helper()
	state := map[string]torch.Tensor{}
	for _, key := range goldens().Names() {
		if param, ok := strings.CutPrefix(key, name+"/param/"); ok {
			state[param], _ = golden(key)
		}
	}
	require.NoError(t, nn.SetTorchStateDict(module, state), name)

	var inputs []torch.Tensor
	for _, digit := range "0123456789" {
		x, ok := golden(name + "/in/" + string(digit))
		if !ok {
			break
		}
		if _, ok := golden(name + "/din/" + string(digit)); ok {
			x.SetRequiresGrad(true)
		}
		inputs = append(inputs, x)
	}
	require.NotEmpty(t, inputs, "%s: no golden has this name", name)

	torch.ManualSeed(5)
	loss := torch.Zeros(nil, false)
	for i, y := range forward(inputs) {
		key := name + "/out/" + string(rune('0'+i))
		want, ok := golden(key)
		require.True(t, ok, key)
		near(t, key, want, y)
		if y.RequiresGrad() {
			ramp := torch.Linspace(-1, 1, y.Numel(), false)
			loss = loss.Add(torch.Sum(torch.Reshape(y, -1).Mul(ramp)), 1)
		}
	}
	if loss.RequiresGrad() {
		loss.Backward()
	}
	parts := nn.TorchStateDict(module)
	for _, key := range goldens().Names() {
		kind, of, _ := strings.Cut(strings.TrimPrefix(key, name+"/"), "/")
		if !strings.HasPrefix(key, name+"/") {
			continue
		}
		want, _ := golden(key)
		switch kind {
		case "din":
			near(t, key, want, inputs[of[0]-'0'].Grad())
		case "dparam":
			near(t, key, want, parts[of].Grad())
		case "after":
			near(t, key, want, parts[of])
		}
	}
}

func list(x ...torch.Tensor) []torch.Tensor { return x }

// loss2 is what a loss of an input and a target has in common.
type loss2 interface {
	nn.IModule
	Forward(input, target torch.Tensor) torch.Tensor
}

// TestGoldens runs every module and functional that golden.py has a case of, and
// notices a case that it leaves out.
func TestGoldens(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	missing := map[string]bool{}
	for _, key := range goldens().Names() {
		if name, input, ok := strings.Cut(key, "/in/"); ok && input == "0" && name != "net" {
			missing[name] = true
		}
	}
	// Each case gets its own scope, which frees the module, too.
	run := func(name string, make func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor)) {
		t.Helper()
		delete(missing, name)
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			module, forward := make()
			check(t, name, module, forward)
		})
	}
	layer := func(name string, make func() nn.Layer) {
		t.Helper()
		run(name, func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor) {
			m := make()
			if strings.HasSuffix(name, "_eval") || name == "batch_norm2d_plain" {
				m.Train(false)
			}
			return m, func(x []torch.Tensor) []torch.Tensor { return list(m.Forward(x[0])) }
		})
	}
	loss := func(name string, make func() loss2) {
		t.Helper()
		run(name, func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor) {
			m := make()
			return m, func(x []torch.Tensor) []torch.Tensor { return list(m.Forward(x[0], x[1])) }
		})
	}
	function := func(name string, f func(x []torch.Tensor) torch.Tensor) {
		t.Helper()
		run("F/"+name, func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor) {
			return nn.Identity(), func(x []torch.Tensor) []torch.Tensor { return list(f(x)) }
		})
	}
	goldenLayers(layer)
	goldenActivations(layer)
	goldenSequences(run)
	goldenLosses(loss, run)
	goldenFunctions(function)
	assert.Empty(t, missing, "cases of golden.py that no test runs")
}

func goldenLayers(f func(name string, make func() nn.Layer)) {
	f("linear", func() nn.Layer { return nn.Linear(6, 5, true) })
	f("linear_no_bias", func() nn.Layer { return nn.Linear(6, 5, false) })
	f("embedding", func() nn.Layer { return nn.Embedding(7, 5, nn.EmbeddingOptions{PaddingIdx: new(int64(-1))}) })
	f("flatten", func() nn.Layer { return nn.Flatten(1, -1) })
	f("identity", func() nn.Layer { return nn.Identity() })
	f("chain", func() nn.Layer {
		return nn.Chain(nn.Conv2d(4, 6, 3, 1, 0, 1, 1, false, "zeros"), nn.BatchNorm2d(6, 1e-5, 0.1, true, true),
			nn.ReLU(), nn.Flatten(1, -1), nn.Linear(120, 3, true))
	})

	f("conv2d", func() nn.Layer { return nn.Conv2d(4, 6, 3, 2, 2, 2, 2, true, "zeros") })
	f("conv2d_reflect", func() nn.Layer { return nn.Conv2d(4, 3, 3, 1, 2, 1, 1, false, "reflect") })
	f("conv2d_replicate", func() nn.Layer { return nn.Conv2d(4, 3, 3, 1, 2, 1, 1, false, "replicate") })
	f("conv2d_circular", func() nn.Layer { return nn.Conv2d(4, 3, 3, 1, 2, 1, 1, false, "circular") })
	f("conv_transpose2d", func() nn.Layer { return nn.ConvTranspose2d(4, 6, 3, 3, 1, 2, 2, true, 2, "zeros") })
	f("conv1d", func() nn.Layer {
		return nn.Conv1d(4, 6, 3, nn.ConvOptions{Stride: []int64{2}, Padding: []int64{1}, Groups: 2})
	})
	f("conv1d_circular", func() nn.Layer {
		return nn.Conv1d(4, 3, 3, nn.ConvOptions{Padding: []int64{2}, PaddingMode: "circular"})
	})
	f("conv2d_oblong", func() nn.Layer {
		return nn.Conv(4, 3, []int64{1, 5}, nn.ConvOptions{Stride: []int64{2, 1}, Padding: []int64{1, 2}, PaddingMode: "reflect"})
	})
	f("conv3d", func() nn.Layer {
		return nn.Conv3d(2, 3, 2, nn.ConvOptions{Stride: []int64{1, 2, 1}, Padding: []int64{1}, NoBias: true})
	})
	f("conv_transpose1d", func() nn.Layer {
		return nn.ConvTranspose1d(4, 6, 3, nn.ConvOptions{Stride: []int64{2}, Padding: []int64{1}, OutputPadding: []int64{1}, Groups: 2})
	})
	f("conv_transpose3d", func() nn.Layer { return nn.ConvTranspose3d(2, 3, 2, nn.ConvOptions{Stride: []int64{2}}) })

	f("batch_norm2d", func() nn.Layer { return nn.BatchNorm2d(4, 1e-5, 0.3, true, true) })
	f("batch_norm2d_eval", func() nn.Layer { return nn.BatchNorm2d(4, 1e-3, 0.1, true, true) })
	f("batch_norm2d_plain", func() nn.Layer { return nn.BatchNorm2d(4, 1e-5, 0.1, false, false) })
	f("batch_norm1d", func() nn.Layer { return nn.BatchNorm1d(6, 1e-5, 0.1, true, true) })
	f("batch_norm1d_sequence", func() nn.Layer { return nn.BatchNorm1d(4, 1e-5, 0.1, true, true) })
	f("group_norm", func() nn.Layer { return nn.GroupNorm(2, 4, nn.NormOptions{}) })
	f("group_norm_plain", func() nn.Layer { return nn.GroupNorm(4, 4, nn.NormOptions{Eps: 1e-2, NoAffine: true}) })
	f("layer_norm", func() nn.Layer { return nn.LayerNorm([]int64{7, 6}, nn.NormOptions{}) })
	f("layer_norm_no_bias", func() nn.Layer { return nn.LayerNorm([]int64{6}, nn.NormOptions{NoBias: true}) })
	f("layer_norm_plain", func() nn.Layer { return nn.LayerNorm([]int64{6}, nn.NormOptions{NoAffine: true}) })
	f("rms_norm", func() nn.Layer { return nn.RMSNorm([]int64{6}, nn.NormOptions{}) })
	f("rms_norm_eps", func() nn.Layer { return nn.RMSNorm([]int64{7, 6}, nn.NormOptions{Eps: 0.1, NoAffine: true}) })
	f("instance_norm2d", func() nn.Layer { return nn.InstanceNorm2d(4, nn.InstanceNormOptions{}) })
	tracked := nn.InstanceNormOptions{Affine: true, TrackRunningStats: true}
	f("instance_norm2d_affine", func() nn.Layer { return nn.InstanceNorm2d(4, tracked) })
	f("instance_norm2d_eval", func() nn.Layer { return nn.InstanceNorm2d(4, tracked) })

	f("max_pool2d", func() nn.Layer {
		return nn.MaxPool2d(3, nn.PoolOptions{Stride: []int64{2}, Padding: []int64{1}, CeilMode: true})
	})
	f("max_pool2d_dilated", func() nn.Layer { return nn.MaxPool2d(2, nn.PoolOptions{Dilation: []int64{2}}) })
	f("avg_pool2d", func() nn.Layer { return nn.AvgPool2d(2, nn.PoolOptions{}) })
	f("avg_pool2d_exclude", func() nn.Layer {
		return nn.AvgPool2d(3, nn.PoolOptions{Stride: []int64{2, 1}, Padding: []int64{1}, ExcludePad: true})
	})
	f("adaptive_avg_pool2d", func() nn.Layer { return nn.AdaptiveAvgPool2d(3, 2) })
	f("zero_pad2d", func() nn.Layer { return nn.ZeroPad2d(1, 2, 3, 0) })
	f("pixel_shuffle", func() nn.Layer { return nn.PixelShuffle(2) })
	f("upsample_nearest", func() nn.Layer { return nn.Upsample(nn.UpsampleOptions{Factor: []float64{1.7}}) })
	f("upsample_nearest_size", func() nn.Layer { return nn.Upsample(nn.UpsampleOptions{Size: []int64{10, 11}}) })
	f("upsample_nearest1d", func() nn.Layer { return nn.Upsample(nn.UpsampleOptions{Factor: []float64{2.5}}) })
	f("upsample_linear", func() nn.Layer { return nn.Upsample(nn.UpsampleOptions{Factor: []float64{1.5}, Mode: "linear"}) })
	f("upsample_bilinear", func() nn.Layer { return nn.Upsample(nn.UpsampleOptions{Factor: []float64{1.7, 2}, Mode: "bilinear"}) })
	f("upsample_bilinear_align", func() nn.Layer {
		return nn.Upsample(nn.UpsampleOptions{Size: []int64{9, 5}, Mode: "bilinear", AlignCorners: true})
	})
	f("upsample_bicubic", func() nn.Layer { return nn.Upsample(nn.UpsampleOptions{Factor: []float64{1.5}, Mode: "bicubic"}) })

	f("dropout", func() nn.Layer { return nn.Dropout(0.4) })
	f("dropout_eval", func() nn.Layer { return nn.Dropout(0.4) })
	f("dropout2d", func() nn.Layer { return nn.Dropout2d(0.4) })
}

func goldenActivations(f func(name string, make func() nn.Layer)) {
	f("relu", func() nn.Layer { return nn.ReLU() })
	f("leaky_relu", func() nn.Layer { return nn.LeakyReLU(0.2) })
	f("elu", func() nn.Layer { return nn.ELU(0.7) })
	f("gelu", func() nn.Layer { return nn.GELU("none") })
	f("gelu_tanh", func() nn.Layer { return nn.GELU("tanh") })
	f("silu", func() nn.Layer { return nn.SiLU() })
	f("mish", func() nn.Layer { return nn.Mish() })
	f("hardswish", func() nn.Layer { return nn.Hardswish() })
	f("sigmoid", func() nn.Layer { return nn.Sigmoid() })
	f("tanh", func() nn.Layer { return nn.Tanh() })
	f("softplus", func() nn.Layer { return nn.Softplus(2, 3) })
	f("softmax", func() nn.Layer { return nn.Softmax(1) })
	f("log_softmax", func() nn.Layer { return nn.LogSoftmax(-1) })
	f("prelu", func() nn.Layer { return nn.PReLU(1, 0.25) })
	f("prelu_channels", func() nn.Layer { return nn.PReLU(4, 0.1) })
}

func goldenSequences(f func(name string, make func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor))) {
	attention := func(name string, heads int64, o nn.AttentionOptions,
		forward func(m *nn.MultiheadAttentionModule, x []torch.Tensor) (output, weights torch.Tensor)) {
		f(name, func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor) {
			m := nn.MultiheadAttention(8, heads, o)
			return m, func(x []torch.Tensor) []torch.Tensor {
				output, weights := forward(m, x)
				if weights.T == nil {
					return list(output)
				}
				return list(output, weights)
			}
		})
	}
	type attend = func(m *nn.MultiheadAttentionModule, x []torch.Tensor) (output, weights torch.Tensor)
	self := func(in nn.AttentionInput) attend {
		return func(m *nn.MultiheadAttentionModule, x []torch.Tensor) (output, weights torch.Tensor) {
			return m.Forward(x[0], x[0], x[0], in)
		}
	}
	attention("attention", 2, nn.AttentionOptions{BatchFirst: true},
		func(m *nn.MultiheadAttentionModule, x []torch.Tensor) (output, weights torch.Tensor) {
			return m.Forward(x[0], x[0], x[0], nn.AttentionInput{Mask: x[1], KeyPaddingMask: x[2]})
		})
	attention("attention_no_bias", 4, nn.AttentionOptions{NoBias: true}, self(nn.AttentionInput{}))
	attention("attention_cross", 2, nn.AttentionOptions{},
		func(m *nn.MultiheadAttentionModule, x []torch.Tensor) (output, weights torch.Tensor) {
			return m.Forward(x[0], x[1], x[1], nn.AttentionInput{Mask: x[2], Weights: true})
		})
	attention("attention_heads", 2, nn.AttentionOptions{BatchFirst: true},
		func(m *nn.MultiheadAttentionModule, x []torch.Tensor) (output, weights torch.Tensor) {
			return m.Forward(x[0], x[0], x[0], nn.AttentionInput{Mask: x[1], KeyPaddingMask: x[2], HeadWeights: true})
		})
	attention("attention_values", 2, nn.AttentionOptions{},
		func(m *nn.MultiheadAttentionModule, x []torch.Tensor) (output, weights torch.Tensor) {
			return m.Forward(x[0], x[1], x[2], nn.AttentionInput{})
		})
	attention("attention_dropout", 2, nn.AttentionOptions{Dropout: 0.3}, self(nn.AttentionInput{Weights: true}))

	encoder := func(name string, dropout float64, train bool, o nn.EncoderOptions) {
		o.Feedforward = 12
		f(name, func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor) {
			m := nn.TransformerEncoderLayer(8, 2, dropout, o)
			m.Train(train)
			return m, func(x []torch.Tensor) []torch.Tensor {
				var in nn.AttentionInput
				if len(x) == 3 {
					in = nn.AttentionInput{Mask: x[1], KeyPaddingMask: x[2]}
				}
				return list(m.Forward(x[0], in))
			}
		})
	}
	encoder("encoder", 0.1, false, nn.EncoderOptions{})
	encoder("encoder_dropout", 0.3, true, nn.EncoderOptions{})
	encoder("encoder_norm_first", 0, true, nn.EncoderOptions{Activation: "gelu", BatchFirst: true, NormFirst: true, NoBias: true})

	lstm := func(name string, o nn.RecurrentOptions) {
		f(name, func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor) {
			m := nn.LSTM(4, 6, o)
			return m, func(x []torch.Tensor) []torch.Tensor {
				x = append(x, torch.Tensor{}, torch.Tensor{})
				return list(m.Forward(x[0], x[1], x[2]))
			}
		})
	}
	lstm("lstm", nn.RecurrentOptions{})
	lstm("lstm_deep", nn.RecurrentOptions{Layers: 2, BatchFirst: true, Bidirectional: true})
	lstm("lstm_no_bias", nn.RecurrentOptions{NoBias: true})
	gru := func(name string, o nn.RecurrentOptions) {
		f(name, func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor) {
			m := nn.GRU(4, 6, o)
			return m, func(x []torch.Tensor) []torch.Tensor {
				x = append(x, torch.Tensor{})
				return list(m.Forward(x[0], x[1]))
			}
		})
	}
	gru("gru", nn.RecurrentOptions{})
	gru("gru_deep", nn.RecurrentOptions{Layers: 2, NoBias: true, BatchFirst: true, Bidirectional: true})
}

func goldenLosses(f func(name string, make func() loss2),
	run func(name string, make func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor))) {
	fives := func() torch.Tensor { return torch.Ones([]int64{5}, false) }
	for _, r := range []string{"mean", "sum", "none"} {
		f("mse_"+r, func() loss2 { return nn.MSELoss(r) })
		f("cross_entropy_"+r, func() loss2 { return nn.CrossEntropyLoss(nn.ClassLossOptions{Reduction: r}) })
	}
	f("l1", func() loss2 { return nn.L1Loss("") })
	f("smooth_l1", func() loss2 { return nn.SmoothL1Loss(0.5, "mean") })
	f("huber", func() loss2 { return nn.HuberLoss(0.7, "sum") })
	f("kl_div", func() loss2 { return nn.KLDivLoss(false, "batchmean") })
	f("kl_div_log", func() loss2 { return nn.KLDivLoss(true, "sum") })
	f("bce", func() loss2 { return nn.BCELoss(nn.BinaryLossOptions{Weight: fives()}) })
	f("bce_logits", func() loss2 {
		return nn.BCEWithLogitsLoss(nn.BinaryLossOptions{Weight: torch.Ones([]int64{4, 1}, false), PosWeight: fives()})
	})
	f("cross_entropy_smooth", func() loss2 {
		return nn.CrossEntropyLoss(nn.ClassLossOptions{Weight: fives(), LabelSmoothing: 0.2})
	})
	f("cross_entropy_ignore", func() loss2 { return nn.CrossEntropyLoss(nn.ClassLossOptions{IgnoreIndex: new(int64(0))}) })
	f("cross_entropy_soft", func() loss2 { return nn.CrossEntropyLoss(nn.ClassLossOptions{Reduction: "sum"}) })
	f("cross_entropy_image", func() loss2 { return nn.CrossEntropyLoss(nn.ClassLossOptions{}) })
	f("nll", func() loss2 { return nn.NLLLoss(nn.ClassLossOptions{Weight: fives(), IgnoreIndex: new(int64(4))}) })
	triple := func(name string, make func() *nn.TripleLossModule) {
		run(name, func() (nn.IModule, func(x []torch.Tensor) []torch.Tensor) {
			m := make()
			return m, func(x []torch.Tensor) []torch.Tensor { return list(m.Forward(x[0], x[1], x[2])) }
		})
	}
	triple("cosine_embedding", func() *nn.TripleLossModule { return nn.CosineEmbeddingLoss(0.1, "mean") })
	triple("triplet_margin", func() *nn.TripleLossModule { return nn.TripletMarginLoss(0.8, 1, "sum") })
}

func goldenFunctions(f func(name string, function func(x []torch.Tensor) torch.Tensor)) {
	var none torch.Tensor
	f("batch_norm", func(x []torch.Tensor) torch.Tensor {
		return F.BatchNorm(x[0], x[1], x[2], x[3], x[4], false, 0.1, 1e-3)
	})
	f("batch_norm_training", func(x []torch.Tensor) torch.Tensor { return F.BatchNorm(x[0], none, none, none, none, true, 0.1, 1e-5) })
	f("conv2d", func(x []torch.Tensor) torch.Tensor {
		return F.Conv2d(x[0], x[1], x[2], []int64{2, 1}, []int64{0, 1}, []int64{1, 2}, 2)
	})
	f("conv_transpose2d", func(x []torch.Tensor) torch.Tensor {
		return F.ConvTranspose2d(x[0], x[1], none, []int64{2, 3}, []int64{1, 1}, []int64{1, 0}, 2, []int64{1, 1})
	})
	f("log_softmax", func(x []torch.Tensor) torch.Tensor { return F.LogSoftmax(x[0], 0) })
	f("log_softmax_classes", func(x []torch.Tensor) torch.Tensor { return F.LogSoftmax(x[0], -1) })
	f("nll_loss", func(x []torch.Tensor) torch.Tensor { return F.NllLoss(x[0], x[1], x[2], 1, "sum") })
	f("cross_entropy", func(x []torch.Tensor) torch.Tensor { return F.CrossEntropy(x[0], x[1], none, -100, "none") })
	f("binary_cross_entropy", func(x []torch.Tensor) torch.Tensor { return F.BinaryCrossEntropy(x[0], x[1], x[2], "mean") })
	f("relu", func(x []torch.Tensor) torch.Tensor { return F.Relu(x[0], false) })
	f("relu_inplace", func(x []torch.Tensor) torch.Tensor { return F.Relu(x[0].MulScalar(1), true) })
	f("leaky_relu", func(x []torch.Tensor) torch.Tensor { return F.LeakyRelu(x[0], 0.3, false) })
	f("leaky_relu_inplace", func(x []torch.Tensor) torch.Tensor { return F.LeakyRelu(x[0].MulScalar(1), 0.3, true) })
	f("linear", func(x []torch.Tensor) torch.Tensor { return F.Linear(x[0], x[1], x[2]) })
	f("max_pool2d", func(x []torch.Tensor) torch.Tensor {
		return F.MaxPool2d(x[0], []int64{3, 2}, []int64{2, 1}, []int64{1, 0}, []int64{1, 2}, true)
	})
	f("adaptive_avg_pool2d", func(x []torch.Tensor) torch.Tensor { return F.AdaptiveAvgPool2d(x[0], []int64{5, 3}) })
}
