package nn

import (
	"slices"

	"github.com/torchlit/torchlit/torch"
)

// ConvOptions are the optional settings of a convolution. The zero value is PyTorch's
// defaults. Lists hold one number for all dimensions, or one for each.
type ConvOptions struct {
	Stride        []int64 // nil for 1
	Padding       []int64 // nil for 0
	Dilation      []int64 // nil for 1
	OutputPadding []int64 // nil for 0; of transposed convolutions alone
	Groups        int64   // 0 for 1
	NoBias        bool
	PaddingMode   string // zeros (the default), reflect, replicate or circular; transposed ones know zeros alone
}

// ConvModule is a convolution, or a transposed one, over one, two or three dimensions:
// see Conv and ConvTranspose.
type ConvModule struct {
	Module
	InChannels  int64
	OutChannels int64
	Transposed  bool
	Kernel      []int64
	Options     ConvOptions  // with the defaults filled in
	Weight      torch.Tensor // [out, in/groups, kernel...]; transposed [in, out/groups, kernel...]
	Bias        torch.Tensor // [out]; the zero Tensor without bias
}

// Conv makes a convolution over as many dimensions as kernel has numbers: one to three.
// Weights and bias are initialised as Conv2d's are.
func Conv(in, out int64, kernel []int64, o ConvOptions) *ConvModule {
	o.PaddingMode = readPaddingMode("nn.Conv", o.PaddingMode, "reflect", "replicate", "circular")
	return newConv("nn.Conv", in, out, kernel, o, false)
}

// ConvTranspose makes the layer that is to Conv what its gradient is.
func ConvTranspose(in, out int64, kernel []int64, o ConvOptions) *ConvModule {
	o.PaddingMode = readPaddingMode("nn.ConvTranspose", o.PaddingMode)
	return newConv("nn.ConvTranspose", in, out, kernel, o, true)
}

// Conv1d makes a convolution of sequences [N, in, L].
func Conv1d(in, out, kernel int64, o ConvOptions) *ConvModule {
	return Conv(in, out, []int64{kernel}, o)
}

// Conv3d makes a convolution of volumes [N, in, D, H, W] with a cubic kernel.
func Conv3d(in, out, kernel int64, o ConvOptions) *ConvModule {
	return Conv(in, out, []int64{kernel, kernel, kernel}, o)
}

// ConvTranspose1d makes a transposed convolution of sequences [N, in, L].
func ConvTranspose1d(in, out, kernel int64, o ConvOptions) *ConvModule {
	return ConvTranspose(in, out, []int64{kernel}, o)
}

// ConvTranspose3d makes a transposed convolution of volumes [N, in, D, H, W] with a
// cubic kernel.
func ConvTranspose3d(in, out, kernel int64, o ConvOptions) *ConvModule {
	return ConvTranspose(in, out, []int64{kernel, kernel, kernel}, o)
}

func newConv(op string, in, out int64, kernel []int64, o ConvOptions, transposed bool) *ConvModule {
	if len(kernel) < 1 || len(kernel) > 3 {
		panic(misuse(op, "the kernel %v has %d dimensions; give it one to three", kernel, len(kernel)))
	}
	if o.Groups == 0 {
		o.Groups = 1
	}
	mustDivide(op, in, out, o.Groups)
	o.Stride = perDimension(op, "stride", o.Stride, 1, len(kernel))
	o.Padding = perDimension(op, "padding", o.Padding, 0, len(kernel))
	o.Dilation = perDimension(op, "dilation", o.Dilation, 1, len(kernel))
	o.OutputPadding = perDimension(op, "output padding", o.OutputPadding, 0, len(kernel))

	c := &ConvModule{InChannels: in, OutChannels: out, Transposed: transposed, Kernel: slices.Clone(kernel), Options: o}
	shape := []int64{out, in / o.Groups}
	if transposed {
		shape = []int64{in, out / o.Groups}
	}
	c.Weight = torch.Empty(append(shape, kernel...), true)
	if !o.NoBias {
		c.Bias = torch.Empty([]int64{out}, true)
	}
	initialise(&c.Weight, &c.Bias)
	c.Init(c)
	return c
}

// perDimension repeats one number for each dimension; none stands for standard.
func perDimension(op, what string, list []int64, standard int64, dims int) []int64 {
	switch len(list) {
	case 0:
		return slices.Repeat([]int64{standard}, dims)
	case 1:
		return slices.Repeat(list, dims)
	case dims:
		return slices.Clone(list)
	}
	panic(misuse(op, "the %s %v has %d numbers; give one, or one for each of %d dimensions", what, list, len(list), dims))
}

// Forward convolves x [N, in, ...].
func (c *ConvModule) Forward(x torch.Tensor) torch.Tensor {
	o := c.Options
	if c.Transposed {
		return [...]func(input, weight, bias torch.Tensor, stride, padding, outputPadding []int64, groups int64, dilation []int64) torch.Tensor{
			torch.ConvTranspose1d, torch.ConvTranspose2d, torch.ConvTranspose3d,
		}[len(c.Kernel)-1](x, c.Weight, c.Bias, o.Stride, o.Padding, o.OutputPadding, o.Groups, o.Dilation)
	}
	if o.PaddingMode != "zeros" {
		x = padBy(x, o.Padding, o.PaddingMode)
		defer x.Close()
		o.Padding = []int64{0}
	}
	return [...]func(input, weight, bias torch.Tensor, stride, padding, dilation []int64, groups int64) torch.Tensor{
		torch.Conv1d, torch.Conv2d, torch.Conv3d,
	}[len(c.Kernel)-1](x, c.Weight, c.Bias, o.Stride, o.Padding, o.Dilation, o.Groups)
}
