package functional_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/torch"
	F "github.com/torchlit/torchlit/torch/nn/functional"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// Values and gradients are compared with PyTorch's in package nn; here are the rules that
// are gotorch's own, and misuse.

func TestLogSoftmaxChoosesTheDimension(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(dim int64, shape ...int64) {
		t.Helper()
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			x := torch.RandN(shape, false)
			assert.Equal(t, torch.Slice[float32](torch.LogSoftmax(x, dim)), torch.Slice[float32](F.LogSoftmax(x, -1)))
			assert.Equal(t, torch.Slice[float32](torch.LogSoftmax(x, 0)), torch.Slice[float32](F.LogSoftmax(x, 0)))
		})
	}
	f(0, 3)
	f(1, 3, 4)
	f(0, 3, 4, 2)
	f(1, 3, 4, 2, 2)
}

func TestInplaceReturnsItsInput(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	x := torch.FromSlice([]float32{-1, 2}, 2)
	defer x.Close()
	assert.Equal(t, x, F.LeakyRelu(x, 0.5, true))
	assert.Equal(t, []float32{-0.5, 2}, torch.Slice[float32](x))
	assert.Equal(t, x, F.Relu(x, true))
	assert.Equal(t, []float32{0, 2}, torch.Slice[float32](x))
}

func TestMisuse(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		var none torch.Tensor
		x, images := torch.Ones([]int64{2, 3}, false), torch.Ones([]int64{1, 2, 4, 4}, false)
		classes := torch.FromSlice([]int64{0, 2}, 2)
		pair := []int64{1, 1}
		f := func(want string, body func() torch.Tensor, try func() (torch.Tensor, error)) {
			t.Helper()
			assert.ErrorContains(t, torch.Try(func() { body() }), want)
			got, err := try()
			assert.ErrorContains(t, err, want)
			if got.T != nil {
				assert.Nil(t, got.T, "an error comes without a tensor")
			}
		}
		const reduction = `the reduction is "average"; use none, mean or sum`
		f(reduction, func() torch.Tensor { return F.NllLoss(x, classes, none, -100, "average") },
			func() (torch.Tensor, error) { return F.TryNllLoss(x, classes, none, -100, "average") })
		f(reduction, func() torch.Tensor { return F.CrossEntropy(x, classes, none, -100, "average") },
			func() (torch.Tensor, error) { return F.TryCrossEntropy(x, classes, none, -100, "average") })
		f(reduction, func() torch.Tensor { return F.BinaryCrossEntropy(x, x, none, "average") },
			func() (torch.Tensor, error) { return F.TryBinaryCrossEntropy(x, x, none, "average") })
		f("they must be the same", func() torch.Tensor { return F.BinaryCrossEntropy(x, images, none, "mean") },
			func() (torch.Tensor, error) { return F.TryBinaryCrossEntropy(x, images, none, "mean") })
		f("the tensor is nil", func() torch.Tensor { return F.BinaryCrossEntropy(none, x, none, "mean") },
			func() (torch.Tensor, error) { return F.TryBinaryCrossEntropy(none, x, none, "mean") })
		f("the tensor is nil", func() torch.Tensor { return F.Relu(none, true) },
			func() (torch.Tensor, error) { return F.TryRelu(none, true) })
		f("the tensor is nil", func() torch.Tensor { return F.LogSoftmax(none, -1) },
			func() (torch.Tensor, error) { return F.TryLogSoftmax(none, -1) })
		f("Dimension out of range", func() torch.Tensor { return F.LogSoftmax(x, 2) },
			func() (torch.Tensor, error) { return F.TryLogSoftmax(x, 2) })
		f("the tensor is nil", func() torch.Tensor { return F.LeakyRelu(none, 1, false) },
			func() (torch.Tensor, error) { return F.TryLeakyRelu(none, 1, true) })
		f("shapes cannot be multiplied", func() torch.Tensor { return F.Linear(x, images.View(4, 8), none) },
			func() (torch.Tensor, error) { return F.TryLinear(x, images.View(4, 8), none) })
		f("channels", func() torch.Tensor {
			return F.Conv2d(images, torch.Ones([]int64{1, 3, 1, 1}, false), none, pair, pair, pair, 1)
		},
			func() (torch.Tensor, error) {
				return F.TryConv2d(images, torch.Ones([]int64{1, 3, 1, 1}, false), none, pair, pair, pair, 1)
			})
		f("channels", func() torch.Tensor {
			return F.ConvTranspose2d(images, torch.Ones([]int64{3, 1, 1, 1}, false), none, pair, pair, pair, 1, pair)
		}, func() (torch.Tensor, error) {
			return F.TryConvTranspose2d(images, torch.Ones([]int64{3, 1, 1, 1}, false), none, pair, pair, pair, 1, pair)
		})
		f("running_mean", func() torch.Tensor { return F.BatchNorm(images, none, none, none, none, false, 0.1, 1e-5) },
			func() (torch.Tensor, error) { return F.TryBatchNorm(images, none, none, none, none, false, 0.1, 1e-5) })
		f("kernel", func() torch.Tensor { return F.MaxPool2d(images, nil, pair, pair, pair, false) },
			func() (torch.Tensor, error) { return F.TryMaxPool2d(images, nil, pair, pair, pair, false) })
		f("output_size", func() torch.Tensor { return F.AdaptiveAvgPool2d(images, nil) },
			func() (torch.Tensor, error) { return F.TryAdaptiveAvgPool2d(images, nil) })
	})
}
