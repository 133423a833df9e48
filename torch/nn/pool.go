package nn

import (
	"slices"

	"github.com/torchlit/torchlit/torch"
)

// PoolOptions are the optional settings of a pooling layer. The zero value is PyTorch's
// defaults. Lists hold one number for both dimensions, or one for each.
type PoolOptions struct {
	Stride     []int64 // nil for the kernel's size
	Padding    []int64 // nil for 0
	Dilation   []int64 // nil for 1; of MaxPool2d alone
	CeilMode   bool    // the last windows may reach over the edge
	ExcludePad bool    // an average does not count the padding; of AvgPool2d alone
}

func (o PoolOptions) filled(op string, kernel int64) PoolOptions {
	o.Stride = perDimension(op, "stride", o.Stride, kernel, 2)
	o.Padding = perDimension(op, "padding", o.Padding, 0, 2)
	o.Dilation = perDimension(op, "dilation", o.Dilation, 1, 2)
	return o
}

// MaxPool2d makes a layer that takes the maximum over square windows of images
// [N, C, H, W].
func MaxPool2d(kernel int64, o PoolOptions) *FunctionalModule {
	o = o.filled("nn.MaxPool2d", kernel)
	size := []int64{kernel, kernel}
	return Functional(func(x torch.Tensor) torch.Tensor {
		return torch.MaxPool2d(x, size, o.Stride, o.Padding, o.Dilation, o.CeilMode)
	})
}

// AvgPool2d makes a layer that averages over square windows of images [N, C, H, W].
func AvgPool2d(kernel int64, o PoolOptions) *FunctionalModule {
	o = o.filled("nn.AvgPool2d", kernel)
	size := []int64{kernel, kernel}
	return Functional(func(x torch.Tensor) torch.Tensor {
		return torch.AvgPool2d(x, size, o.Stride, o.Padding, o.CeilMode, !o.ExcludePad)
	})
}

// AdaptiveAvgPool2d makes a layer that averages images [N, C, H, W] to
// [N, C, height, width].
func AdaptiveAvgPool2d(height, width int64) *FunctionalModule {
	size := []int64{height, width}
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.AdaptiveAvgPool2d(x, size) })
}

// ZeroPad2d makes a layer that puts so many zeros around images [N, C, H, W].
func ZeroPad2d(left, right, top, bottom int64) *FunctionalModule {
	sides := []int64{left, right, top, bottom}
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.ConstantPad(x, sides, 0) })
}

// PixelShuffle makes a layer that lays the channels of [N, C·r², H, W] out as pixels:
// [N, C, H·r, W·r] for the factor r.
func PixelShuffle(factor int64) *FunctionalModule {
	return Functional(func(x torch.Tensor) torch.Tensor { return torch.PixelShuffle(x, factor) })
}

// UpsampleOptions are the settings of an Upsample: Size or Factor, and how.
type UpsampleOptions struct {
	Size         []int64   // the size of the result in each dimension
	Factor       []float64 // or by how much it grows: one number for all dimensions, or one for each
	Mode         string    // nearest (the default), linear, bilinear or bicubic
	AlignCorners bool      // makes the centres of the corners meet; not of nearest
}

// resizer is an operator in its two forms, for inputs with that many dimensions after
// the channels.
type resizer struct {
	dims int
	to   func(x torch.Tensor, size []int64, align bool) torch.Tensor
	by   func(x torch.Tensor, align bool, factors []float64) torch.Tensor
}

var resizers = map[string]resizer{
	"linear":   {1, torch.UpsampleLinear1d, torch.UpsampleLinear1dBy},
	"bilinear": {2, torch.UpsampleBilinear2d, torch.UpsampleBilinear2dBy},
	"bicubic":  {2, torch.UpsampleBicubic2d, torch.UpsampleBicubic2dBy},
}

// Upsample makes a layer that resizes images [N, C, H, W] or, by the modes nearest and
// linear, sequences [N, C, L].
func Upsample(o UpsampleOptions) *FunctionalModule {
	if o.Mode == "" {
		o.Mode = "nearest"
	}
	r, known := resizers[o.Mode]
	if !known && o.Mode != "nearest" {
		panic(misuse("nn.Upsample", "the mode is %q; use nearest, linear, bilinear or bicubic", o.Mode))
	}
	if (len(o.Size) == 0) == (len(o.Factor) == 0) {
		panic(misuse("nn.Upsample", "the size is %v and the factor %v; give one of them", o.Size, o.Factor))
	}
	return Functional(func(x torch.Tensor) torch.Tensor {
		r := r
		if o.Mode == "nearest" {
			r = nearest(x)
		}
		if len(o.Size) > 0 {
			return r.to(x, o.Size, o.AlignCorners)
		}
		factors := o.Factor
		if len(factors) == 1 {
			factors = slices.Repeat(factors, r.dims)
		}
		return r.by(x, o.AlignCorners, factors)
	})
}

func nearest(x torch.Tensor) resizer {
	if x.Dim() == 3 {
		return resizer{1,
			func(x torch.Tensor, size []int64, _ bool) torch.Tensor { return torch.UpsampleNearest1d(x, size) },
			func(x torch.Tensor, _ bool, factors []float64) torch.Tensor {
				return torch.UpsampleNearest1dBy(x, factors)
			}}
	}
	return resizer{2,
		func(x torch.Tensor, size []int64, _ bool) torch.Tensor { return torch.UpsampleNearest2d(x, size) },
		func(x torch.Tensor, _ bool, factors []float64) torch.Tensor {
			return torch.UpsampleNearest2dBy(x, factors)
		}}
}
