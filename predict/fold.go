package predict

import (
	"fmt"
	"math"
	"slices"

	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// bnEps is what PyTorch adds to a variance before the root. All weights of the
// family were trained with it.
const bnEps = 1e-5

// Weights finds tensors by timm's names, such as "layer1.0.conv1.weight". A
// *weights.File is one. The errors name the tensor.
type Weights interface {
	Tensor(name string) (safetensors.View, error)
}

// fold merges a batch normalisation, which at inference is a scale and a shift
// per channel, into the convolution before it:
//
//	scale  = gamma / sqrt(variance + eps)
//	weight = weight · scale
//	bias   = beta − mean · scale
//
// in float64, so that only the results are rounded.
func fold(w Weights, c resnet.Conv) (weight, bias []float32, err error) {
	r := reader{w: w}
	weight = r.read(c.Conv+".weight", c.Out, c.In/c.Groups, c.Kernel, c.Kernel)
	gamma := r.read(c.BN+".weight", c.Out)
	beta := r.read(c.BN+".bias", c.Out)
	mean := r.read(c.BN+".running_mean", c.Out)
	variance := r.read(c.BN+".running_var", c.Out)
	if r.err != nil {
		return nil, nil, r.err
	}
	bias = make([]float32, c.Out)
	each := len(weight) / len(bias)
	for o := range bias {
		scale := float64(gamma[o]) / math.Sqrt(float64(variance[o])+bnEps)
		bias[o] = float32(float64(beta[o]) - float64(mean[o])*scale)
		filter := weight[o*each : (o+1)*each]
		for i := range filter {
			filter[i] = float32(float64(filter[i]) * scale)
		}
	}
	return weight, bias, nil
}

// reader reads tensors until the first error.
type reader struct {
	w   Weights
	err error
}

// read returns a copy of a tensor as float32, whatever it is stored as.
func (r *reader) read(name string, shape ...int64) []float32 {
	if r.err != nil {
		return nil
	}
	v, err := r.w.Tensor(name)
	if err != nil {
		r.err = fmt.Errorf("%w; are these weights of another architecture?", err)
		return nil
	}
	if !slices.Equal(v.Shape, shape) {
		r.err = fmt.Errorf("tensor %q has shape %v, want %v; check the architecture, stem and number of classes", name, v.Shape, shape)
		return nil
	}
	values, err := safetensors.Float32(v)
	if err != nil {
		r.err = fmt.Errorf("cannot read tensor %q: %w", name, err)
		return nil
	}
	if i := slices.IndexFunc(values, notFinite); i >= 0 {
		r.err = fmt.Errorf("tensor %q holds %v at element %d; such a model answers nothing but NaN", name, values[i], i)
		return nil
	}
	return values
}

func notFinite(x float32) bool { return x-x != 0 }
