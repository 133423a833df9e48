package nn_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// A constructor that refuses its arguments says what to give instead.
func TestConstructorsRefuse(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(want string, body func()) {
		t.Helper()
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			assert.ErrorContains(t, torch.Try(body), want)
		})
	}
	f(`the padding mode is "mirror"; use one of ["zeros" "reflect" "replicate" "circular"]`,
		func() { nn.Conv2d(1, 1, 1, 1, 0, 1, 1, true, "mirror") })
	f(`the padding mode is "reflect"; use one of ["zeros"]`,
		func() { nn.ConvTranspose2d(1, 1, 1, 1, 0, 0, 1, true, 1, "reflect") })
	f("3 input and 4 output channels do not fall into 2 groups", func() { nn.Conv2d(3, 4, 1, 1, 0, 1, 2, true, "zeros") })
	f("do not fall into 0 groups", func() { nn.Conv2d(3, 4, 1, 1, 0, 1, 0, true, "zeros") })
	f("has 4 dimensions; give it one to three", func() { nn.Conv(1, 1, []int64{1, 1, 1, 1}, nn.ConvOptions{}) })
	f("the stride [1 2] has 2 numbers; give one, or one for each of 3 dimensions",
		func() { nn.Conv3d(1, 1, 1, nn.ConvOptions{Stride: []int64{1, 2}}) })
	f("4 channels do not fall into 3 groups", func() { nn.GroupNorm(3, 4, nn.NormOptions{}) })
	f("the probability is 1.5; give one from 0 to 1", func() { nn.Dropout(1.5) })
	f(`the approximation is "sigmoid"; use none or tanh`, func() { nn.GELU("sigmoid") })
	f(`the mode is "lanczos"; use nearest, linear`, func() { nn.Upsample(nn.UpsampleOptions{Mode: "lanczos", Size: []int64{1}}) })
	f("give one of them", func() { nn.Upsample(nn.UpsampleOptions{}) })
	f("8 numbers do not fall into 3 heads", func() { nn.MultiheadAttention(8, 3, nn.AttentionOptions{}) })
	f(`the activation is "tanh"; use relu or gelu`,
		func() { nn.TransformerEncoderLayer(8, 2, 0, nn.EncoderOptions{Activation: "tanh", Feedforward: 1}) })
	f("give at least one of each", func() { nn.LSTM(0, 2, nn.RecurrentOptions{}) })
	f("the padding index 7 is not one of 7 rows", func() { nn.Embedding(7, 1, nn.EmbeddingOptions{PaddingIdx: new(int64(7))}) })
	f(`the reduction is "average"; use none, mean or sum`, func() { nn.MSELoss("average") })
	f("the label smoothing is 2", func() { nn.CrossEntropyLoss(nn.ClassLossOptions{LabelSmoothing: 2}) })
	f("use CrossEntropyLoss", func() { nn.NLLLoss(nn.ClassLossOptions{LabelSmoothing: 0.1}) })
	f("use BCEWithLogitsLoss", func() { nn.BCELoss(nn.BinaryLossOptions{PosWeight: torch.Ones([]int64{1}, false)}) })
}

// gotorch read no padding mode, and its programs say "zero".
func TestPaddingModeOfGotorchsPrograms(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	c := nn.ConvTranspose2d(1, 1, 1, 1, 0, 0, 1, true, 1, "zero")
	defer nn.Close(c)
	assert.Equal(t, "zeros", c.PaddingMode)
}

func TestForwardRefuses(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(want string, body func()) {
		t.Helper()
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			assert.ErrorContains(t, torch.Try(body), want)
		})
	}
	ones := func(shape ...int64) torch.Tensor { return torch.Ones(shape, false) }
	f("shapes cannot be multiplied", func() { nn.Linear(3, 4, true).Forward(ones(2, 5)) })
	f("the tensor is nil", func() { nn.Linear(3, 4, true).Forward(torch.Tensor{}) })
	f("the tensor is closed", func() {
		l := nn.Linear(3, 4, true)
		nn.Close(l)
		l.Forward(ones(2, 3))
	})
	f("Expected", func() { nn.Conv1d(2, 2, 3, nn.ConvOptions{}).Forward(ones(1, 2, 4, 4)) })
	f("an input has shape [2 8]; give three dimensions, the last of 8", func() {
		nn.MultiheadAttention(8, 2, nn.AttentionOptions{}).Forward(ones(2, 8), ones(2, 8), ones(2, 8), nn.AttentionInput{})
	})
	f("the input has shape [4]; give it three dimensions",
		func() { nn.GRU(4, 2, nn.RecurrentOptions{}).Forward(ones(4), torch.Tensor{}) })
	f("the input has shape [3] and the target [3 1]; they must be the same",
		func() { nn.BCEWithLogitsLoss(nn.BinaryLossOptions{}).Forward(ones(3), ones(3, 1)) })
	f("", func() {
		nn.CrossEntropyLoss(nn.ClassLossOptions{}).Forward(ones(2, 3), torch.FromSlice([]int64{0, 3}, 2))
	})
}

// stranger embeds no Module of its own.
type stranger struct{ *nn.Module }

func TestInit(t *testing.T) {
	torchtest.Need(t)
	f := func(want string, body func()) {
		t.Helper()
		assert.ErrorContains(t, torch.Try(body), want)
	}
	const notInit = "the module was not initialised: its constructor must call Init"
	var n net
	f(notInit, func() { n.StateDict() })
	f(notInit, func() { n.Train(true) })
	f(notInit, func() { n.To(torch.Device{}) })
	f(notInit, func() { n.Parameters() })
	f(notInit, func() { n.Buffers() })
	f(notInit, func() { n.Apply(func(nn.IModule) {}) })
	f("does not embed this nn.Module by value", func() { n.Init(&net{}) })
	f("does not embed this nn.Module by value", func() { n.Init(nil) })
	f("does not embed this nn.Module by value", func() { new(nn.Module).Init(stranger{&nn.Module{}}) })
	f("a module is a pointer to a struct", func() { nn.Close((*net)(nil)) })
	f("a module is a pointer to a struct", func() { nn.Close(nil) })

	n.Init(&n)
	n.Init(&net{}) // a second call does nothing
	assert.Equal(t, nn.IModule(&n), n.Outer())
}
