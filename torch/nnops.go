package torch

import "github.com/torchlit/torchlit/torch/internal/libtorch"

var (
	opConv2d          = libtorch.NewOp("aten::conv2d")
	opBatchNorm       = libtorch.NewOp("aten::batch_norm")
	opLinear          = libtorch.NewOp("aten::linear")
	opMaxPool2d       = libtorch.NewOp("aten::max_pool2d")
	opAdaptiveAvgPool = libtorch.NewOp("aten::adaptive_avg_pool2d")
	opCrossEntropy    = libtorch.NewOp("aten::cross_entropy_loss")
)

// The operators that nn and nn/functional are made of, with libtorch's whole
// argument lists.

// Conv2d convolves input [N, C, H, W] with weight [out, C/groups, kH, kW]. bias
// [out] may be the zero Tensor.
func Conv2d(input, weight, bias Tensor, stride, padding, dilation []int64, groups int64) Tensor {
	var c call
	c.tensor(input).tensor(weight).optional(bias).Ints(stride...).Ints(padding...).Ints(dilation...).Int(groups)
	return c.run(opConv2d)
}

// BatchNorm normalises input [N, C, …] by channel. In training it uses the
// batch's own mean and variance and updates runningMean and runningVar in place
// with the given momentum; otherwise it uses these. weight, bias, runningMean
// and runningVar are [C]; each may be the zero Tensor.
func BatchNorm(input, weight, bias, runningMean, runningVar Tensor, training bool, momentum, eps float64) Tensor {
	var c call
	c.tensor(input).optional(weight).optional(bias).optional(runningMean).optional(runningVar)
	c.Bool(training).Float(momentum).Float(eps).Bool(true)
	return c.run(opBatchNorm)
}

// Linear returns input […, in] times the transpose of weight [out, in], plus
// bias [out], which may be the zero Tensor.
func Linear(input, weight, bias Tensor) Tensor {
	var c call
	return c.tensor(input).tensor(weight).optional(bias).run(opLinear)
}

// MaxPool2d takes the maximum over windows of input [N, C, H, W].
func MaxPool2d(input Tensor, kernel, stride, padding, dilation []int64, ceilMode bool) Tensor {
	var c call
	c.tensor(input).Ints(kernel...).Ints(stride...).Ints(padding...).Ints(dilation...).Bool(ceilMode)
	return c.run(opMaxPool2d)
}

// AdaptiveAvgPool2d averages input [N, C, H, W] to [N, C, outputSize…].
func AdaptiveAvgPool2d(input Tensor, outputSize []int64) Tensor {
	var c call
	c.tensor(input).Ints(outputSize...)
	return c.run(opAdaptiveAvgPool)
}

// Reduction says what a loss does with the values of a batch. The numbers are
// libtorch's.
type Reduction int64

// The reductions of a loss.
const (
	ReduceNone Reduction = 0
	ReduceMean Reduction = 1
	ReduceSum  Reduction = 2
)

// CrossEntropyLoss returns the cross entropy of logits [N, classes] against
// target: class indices (Long) [N], or probabilities [N, classes]. weight
// [classes] may be the zero Tensor. labelSmoothing in [0, 1) moves that share of
// the target's mass to all classes evenly.
func CrossEntropyLoss(logits, target, weight Tensor, reduction Reduction, ignoreIndex int64, labelSmoothing float64) Tensor {
	var c call
	c.tensor(logits).tensor(target).optional(weight).Int(int64(reduction)).Int(ignoreIndex).Float(labelSmoothing)
	return c.run(opCrossEntropy)
}
