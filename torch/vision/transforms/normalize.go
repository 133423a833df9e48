package transforms

import (
	"slices"

	"github.com/torchlit/torchlit/torch"
)

// NormalizeTransformer shifts and scales the channels of tensors. Mean and
// Stddev hold a number for each channel, or one for all.
type NormalizeTransformer struct {
	Mean, Stddev []float32
}

// Normalize makes the channels of pictures have mean 0 and standard deviation 1
// when mean and stddev are those of the data set, in the range of ToTensor, 0 to
// 1.
func Normalize(mean []float32, stddev []float32) *NormalizeTransformer {
	return &NormalizeTransformer{Mean: mean, Stddev: stddev}
}

// Run returns (input - Mean) / Stddev, a tensor that the caller owns. input has
// the shape [..., channels, height, width] and stays as it is. Shapes are
// broadcast: [height, width] becomes [1, height, width], and a single channel
// becomes as many as there are numbers.
//
// It panics with a *torch.Error when a deviation is 0, and when neither the
// numbers nor the channels are as many as the others, or one.
func (t *NormalizeTransformer) Run(input torch.Tensor) torch.Tensor {
	if len(t.Mean) == 0 || len(t.Stddev) == 0 || slices.Contains(t.Stddev, 0) {
		refuse("Normalize", "mean is %v and stddev %v; both need a number for each channel or one for all, and no deviation is 0",
			t.Mean, t.Stddev)
	}
	mean := torch.FromSlice(t.Mean, int64(len(t.Mean)), 1, 1)
	defer mean.Close()
	stddev := torch.FromSlice(t.Stddev, int64(len(t.Stddev)), 1, 1)
	defer stddev.Close()
	centered := torch.Sub(input, mean, 1)
	defer centered.Close()
	return torch.Div(centered, stddev)
}
