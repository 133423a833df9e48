package nn

import (
	"slices"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn/functional"
)

// Conv2dModule is a two-dimensional convolution: see Conv2d.
type Conv2dModule struct {
	Module
	InChannels  int64
	OutChannels int64
	KernelSize  int64
	Stride      int64
	Padding     int64
	Dilation    int64
	Groups      int64
	PaddingMode string       // zeros, reflect, replicate or circular
	Weight      torch.Tensor // [out, in/groups, kernel, kernel]
	Bias        torch.Tensor // [out]; the zero Tensor without bias
}

// Conv2d makes a convolution with a square kernel. paddingMode says what the image is
// padded with: "zeros", or its own pixels by "reflect", "replicate" or "circular".
// Weights and bias are uniform in ±1/√(in/groups·kernel²); with the same seed they are
// PyTorch's. [Conv] takes a kernel of any shape.
func Conv2d(inChannels, outChannels, kernelSize, stride, padding, dilation, groups int64,
	bias bool, paddingMode string) *Conv2dModule {
	mustDivide("nn.Conv2d", inChannels, outChannels, groups)
	c := &Conv2dModule{
		InChannels: inChannels, OutChannels: outChannels, KernelSize: kernelSize,
		Stride: stride, Padding: padding, Dilation: dilation, Groups: groups,
		PaddingMode: readPaddingMode("nn.Conv2d", paddingMode, "reflect", "replicate", "circular"),
		Weight:      torch.Empty([]int64{outChannels, inChannels / groups, kernelSize, kernelSize}, true),
	}
	if bias {
		c.Bias = torch.Empty([]int64{outChannels}, true)
	}
	initialise(&c.Weight, &c.Bias)
	c.Init(c)
	return c
}

// Forward convolves x [N, in, H, W].
func (c *Conv2dModule) Forward(x torch.Tensor) torch.Tensor {
	stride, padding, dilation := []int64{c.Stride, c.Stride}, []int64{c.Padding, c.Padding}, []int64{c.Dilation, c.Dilation}
	if c.PaddingMode != "zeros" {
		x = padBy(x, padding, c.PaddingMode)
		defer x.Close()
		padding = []int64{0, 0}
	}
	return functional.Conv2d(x, c.Weight, c.Bias, stride, padding, dilation, c.Groups)
}

// ConvTranspose2dModule is a transposed convolution: see ConvTranspose2d.
type ConvTranspose2dModule struct {
	Module
	InChannels  int64
	OutChannels int64
	KernelSize  int64
	Stride      int64
	Padding     int64
	OutPadding  int64
	Groups      int64
	Dilation    int64
	PaddingMode string       // zeros
	Weight      torch.Tensor // [in, out/groups, kernel, kernel]
	Bias        torch.Tensor // [out]; the zero Tensor without bias
}

// ConvTranspose2d makes the layer that is to Conv2d what its gradient is: it enlarges
// an image by stride. outPadding is added to one side of the result. paddingMode can
// only be "zeros".
func ConvTranspose2d(inChannels, outChannels, kernelSize, stride, padding, outPadding, groups int64,
	bias bool, dilation int64, paddingMode string) *ConvTranspose2dModule {
	mustDivide("nn.ConvTranspose2d", inChannels, outChannels, groups)
	c := &ConvTranspose2dModule{
		InChannels: inChannels, OutChannels: outChannels, KernelSize: kernelSize,
		Stride: stride, Padding: padding, OutPadding: outPadding, Groups: groups, Dilation: dilation,
		PaddingMode: readPaddingMode("nn.ConvTranspose2d", paddingMode),
		Weight:      torch.Empty([]int64{inChannels, outChannels / groups, kernelSize, kernelSize}, true),
	}
	if bias {
		c.Bias = torch.Empty([]int64{outChannels}, true)
	}
	initialise(&c.Weight, &c.Bias)
	c.Init(c)
	return c
}

// Forward enlarges x [N, in, H, W].
func (c *ConvTranspose2dModule) Forward(x torch.Tensor) torch.Tensor {
	return functional.ConvTranspose2d(x, c.Weight, c.Bias,
		[]int64{c.Stride, c.Stride}, []int64{c.Padding, c.Padding}, []int64{c.OutPadding, c.OutPadding},
		c.Groups, []int64{c.Dilation, c.Dilation})
}

// readPaddingMode returns the mode, "zeros" for none. gotorch read no mode at all, and
// its programs say "zero", too.
func readPaddingMode(op, mode string, others ...string) string {
	if mode == "" || mode == "zero" || mode == "zeros" {
		return "zeros"
	}
	if !slices.Contains(others, mode) {
		panic(misuse(op, "the padding mode is %q; use one of %q", mode, append([]string{"zeros"}, others...)))
	}
	return mode
}

func mustDivide(op string, in, out, groups int64) {
	if groups < 1 || in%groups != 0 || out%groups != 0 {
		panic(misuse(op, "%d input and %d output channels do not fall into %d groups; give a divisor of both", in, out, groups))
	}
}

// padBy pads the last dimensions of x, each on both sides, with its own elements.
func padBy(x torch.Tensor, padding []int64, mode string) torch.Tensor {
	var sides []int64 // of the last dimension first
	for _, p := range slices.Backward(padding) {
		sides = append(sides, p, p)
	}
	return torch.Pad(x, sides, mode, 0)
}
