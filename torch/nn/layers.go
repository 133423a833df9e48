package nn

import (
	"fmt"
	"math"

	"github.com/torchlit/torchlit/torch"
)

// LinearModule is a fully connected layer: see Linear.
type LinearModule struct {
	Module
	Weight torch.Tensor // [out, in]
	Bias   torch.Tensor // [out]; the zero Tensor without bias
}

// Linear makes a layer from in to out features, initialised as PyTorch does.
func Linear(in, out int64, bias bool) *LinearModule {
	l := &LinearModule{Weight: fanInUniform([]int64{out, in}, in)}
	if bias {
		l.Bias = fanInUniform([]int64{out}, in)
	}
	l.Init(l)
	return l
}

// Forward maps x [N, in] to [N, out].
func (l *LinearModule) Forward(x torch.Tensor) torch.Tensor {
	return torch.Linear(x, l.Weight, l.Bias)
}

// Conv2dModule is a two-dimensional convolution: see Conv2d.
type Conv2dModule struct {
	Module
	Weight torch.Tensor // [out, in/groups, kernel, kernel]
	Bias   torch.Tensor // [out]; the zero Tensor without bias

	stride, padding, dilation []int64
	groups                    int64
}

// Conv2d makes a convolution with a square kernel, initialised as PyTorch does.
// paddingMode must be "zeros".
func Conv2d(in, out, kernel, stride, padding, dilation, groups int64, bias bool, paddingMode string) *Conv2dModule {
	if paddingMode != "zeros" {
		panic(fmt.Sprintf("nn: padding mode %q is not supported; use zeros", paddingMode))
	}
	fanIn := in / groups * kernel * kernel
	c := &Conv2dModule{
		Weight:   fanInUniform([]int64{out, in / groups, kernel, kernel}, fanIn),
		stride:   []int64{stride, stride},
		padding:  []int64{padding, padding},
		dilation: []int64{dilation, dilation},
		groups:   groups,
	}
	if bias {
		c.Bias = fanInUniform([]int64{out}, fanIn)
	}
	c.Init(c)
	return c
}

// Forward convolves x [N, in, H, W].
func (c *Conv2dModule) Forward(x torch.Tensor) torch.Tensor {
	return torch.Conv2d(x, c.Weight, c.Bias, c.stride, c.padding, c.dilation, c.groups)
}

// BatchNorm2dModule normalises by channel: see BatchNorm2d.
type BatchNorm2dModule struct {
	Module
	Weight, Bias torch.Tensor // [C]; zero Tensors when not affine
	RunningMean  torch.Tensor `gotorch:"buffer"` // [C]; the zero Tensor when not tracking
	RunningVar   torch.Tensor `gotorch:"buffer"`

	eps, momentum float64
}

// BatchNorm2d makes a batch normalisation over n channels. affine adds a learned
// scale and shift; track keeps running statistics for evaluation.
func BatchNorm2d(n int64, eps, momentum float64, affine, track bool) *BatchNorm2dModule {
	b := &BatchNorm2dModule{eps: eps, momentum: momentum}
	if affine {
		b.Weight = torch.Ones([]int64{n}, true)
		b.Bias = torch.Zeros([]int64{n}, true)
	}
	if track {
		b.RunningMean = torch.Zeros([]int64{n}, false)
		b.RunningVar = torch.Ones([]int64{n}, false)
	}
	b.Init(b)
	return b
}

// Forward normalises x [N, C, H, W], by the batch's own statistics in training.
func (b *BatchNorm2dModule) Forward(x torch.Tensor) torch.Tensor {
	training := b.IsTraining() || b.RunningMean.T == nil
	return torch.BatchNorm(x, b.Weight, b.Bias, b.RunningMean, b.RunningVar, training, b.momentum, b.eps)
}

// fanInUniform makes a parameter uniform in ±1/sqrt(fanIn), PyTorch's default
// for weights and biases of linear and convolution layers.
func fanInUniform(shape []int64, fanIn int64) torch.Tensor {
	bound := 1 / math.Sqrt(float64(fanIn))
	t := torch.Empty(shape, false)
	t.UniformI(-bound, bound)
	t.SetRequiresGrad(true)
	return t
}
