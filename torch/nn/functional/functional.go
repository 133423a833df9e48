// Package functional holds the operators of networks under gotorch's names, which are
// those of PyTorch's torch.nn.functional.
//
// Each function panics with a [*torch.Error] on a wrong argument, and has a Try form
// beside it that returns the error. Where a parameter is called weight, bias or running
// statistic, the zero Tensor stands for none. Package torch has many more operators.
package functional

import "github.com/torchlit/torchlit/torch"

// BatchNorm normalises input [N, C, ...] by channel. In training it uses the batch's
// own mean and variance, and moves runningMean and runningVar [C] towards them by
// momentum; otherwise it uses these. weight and bias [C] are applied afterwards.
func BatchNorm(input, runningMean, runningVar, weight, bias torch.Tensor,
	training bool, momentum, eps float64) torch.Tensor {
	return must(TryBatchNorm(input, runningMean, runningVar, weight, bias, training, momentum, eps))
}

// TryBatchNorm is BatchNorm with an error for its panic.
func TryBatchNorm(input, runningMean, runningVar, weight, bias torch.Tensor,
	training bool, momentum, eps float64) (torch.Tensor, error) {
	return torch.TryBatchNorm(input, weight, bias, runningMean, runningVar, training, momentum, eps)
}

// Conv2d convolves input [N, C, H, W] with weight [out, C/groups, kH, kW] and adds bias
// [out]. stride, padding and dilation are one number, or one for each dimension.
func Conv2d(input, weight, bias torch.Tensor, stride, padding, dilation []int64, groups int64) torch.Tensor {
	return must(TryConv2d(input, weight, bias, stride, padding, dilation, groups))
}

// TryConv2d is Conv2d with an error for its panic.
func TryConv2d(input, weight, bias torch.Tensor, stride, padding, dilation []int64, groups int64) (torch.Tensor, error) {
	return torch.TryConv2d(input, weight, bias, stride, padding, dilation, groups)
}

// ConvTranspose2d is the gradient of Conv2d with respect to its input, as a layer:
// input [N, C, H, W], weight [C, out/groups, kH, kW], bias [out]. outputPadding is
// added to one side of the result.
func ConvTranspose2d(input, weight, bias torch.Tensor,
	stride, padding, outputPadding []int64, groups int64, dilation []int64) torch.Tensor {
	return must(TryConvTranspose2d(input, weight, bias, stride, padding, outputPadding, groups, dilation))
}

// TryConvTranspose2d is ConvTranspose2d with an error for its panic.
func TryConvTranspose2d(input, weight, bias torch.Tensor,
	stride, padding, outputPadding []int64, groups int64, dilation []int64) (torch.Tensor, error) {
	return torch.TryConvTranspose2d(input, weight, bias, stride, padding, outputPadding, groups, dilation)
}

// LogSoftmax returns the logarithms of probabilities along dim. As in gotorch, a
// negative dim does not count from the end: it stands for dimension 0 of inputs of 0, 1
// or 3 dimensions, and for dimension 1 of others.
func LogSoftmax(input torch.Tensor, dim int64) torch.Tensor {
	return must(TryLogSoftmax(input, dim))
}

// TryLogSoftmax is LogSoftmax with an error for its panic.
func TryLogSoftmax(input torch.Tensor, dim int64) (logs torch.Tensor, err error) {
	if dim < 0 {
		if err := torch.Try(func() { dim = classDim(input.Dim()) }); err != nil {
			return torch.Tensor{}, err
		}
	}
	return torch.TryLogSoftmax(input, dim)
}

func classDim(dims int64) int64 {
	if dims == 0 || dims == 1 || dims == 3 {
		return 0
	}
	return 1
}

// Relu returns max(0, input). inplace overwrites input, and returns it.
func Relu(input torch.Tensor, inplace bool) torch.Tensor {
	return must(TryRelu(input, inplace))
}

// TryRelu is Relu with an error for its panic.
func TryRelu(input torch.Tensor, inplace bool) (torch.Tensor, error) {
	if inplace {
		return input, torch.Try(func() { input.ReluI() })
	}
	return torch.TryRelu(input)
}

// LeakyRelu returns input where it is positive, and negativeSlope times input
// elsewhere. inplace overwrites input, and returns it.
func LeakyRelu(input torch.Tensor, negativeSlope float64, inplace bool) torch.Tensor {
	return must(TryLeakyRelu(input, negativeSlope, inplace))
}

// TryLeakyRelu is LeakyRelu with an error for its panic.
func TryLeakyRelu(input torch.Tensor, negativeSlope float64, inplace bool) (torch.Tensor, error) {
	if inplace {
		return input, torch.Try(func() { input.LeakyReluI(negativeSlope) })
	}
	return torch.TryLeakyRelu(input, negativeSlope)
}

// Linear returns input [..., in] times the transpose of weight [out, in], plus bias
// [out].
func Linear(input, weight, bias torch.Tensor) torch.Tensor {
	return must(TryLinear(input, weight, bias))
}

// TryLinear is Linear with an error for its panic.
func TryLinear(input, weight, bias torch.Tensor) (torch.Tensor, error) {
	return torch.TryLinear(input, weight, bias)
}

// MaxPool2d takes the maximum over windows of input [N, C, H, W]. An empty stride
// stands for the kernel's size. ceilMode lets the last windows reach over the edge.
func MaxPool2d(input torch.Tensor, kernelSize, stride, padding, dilation []int64, ceilMode bool) torch.Tensor {
	return must(TryMaxPool2d(input, kernelSize, stride, padding, dilation, ceilMode))
}

// TryMaxPool2d is MaxPool2d with an error for its panic.
func TryMaxPool2d(input torch.Tensor, kernelSize, stride, padding, dilation []int64, ceilMode bool) (torch.Tensor, error) {
	return torch.TryMaxPool2d(input, kernelSize, stride, padding, dilation, ceilMode)
}

// AdaptiveAvgPool2d averages input [N, C, H, W] to [N, C, outputSize...].
func AdaptiveAvgPool2d(input torch.Tensor, outputSize []int64) torch.Tensor {
	return must(TryAdaptiveAvgPool2d(input, outputSize))
}

// TryAdaptiveAvgPool2d is AdaptiveAvgPool2d with an error for its panic.
func TryAdaptiveAvgPool2d(input torch.Tensor, outputSize []int64) (torch.Tensor, error) {
	return torch.TryAdaptiveAvgPool2d(input, outputSize)
}

func must(t torch.Tensor, err error) torch.Tensor {
	if err != nil {
		panic(err)
	}
	return t
}
