package functional

import (
	"fmt"
	"slices"

	"github.com/torchlit/torchlit/torch"
)

// ParseReduction reads the name of a reduction: "none", "mean" or "sum".
func ParseReduction(name string) (torch.Reduction, error) {
	switch name {
	case "none":
		return torch.ReduceNone, nil
	case "mean":
		return torch.ReduceMean, nil
	case "sum":
		return torch.ReduceSum, nil
	}
	return 0, &torch.Error{Op: "functional", Text: fmt.Sprintf("the reduction is %q; use none, mean or sum", name)}
}

// NllLoss returns the negative of the target classes' log-probabilities: input
// [N, classes, ...], target (Long) [N, ...]. weight [classes] may be the zero Tensor.
// Targets equal to ignoreIndex do not count. reduction is "mean", "sum" or "none".
func NllLoss(input, target, weight torch.Tensor, ignoreIndex int64, reduction string) torch.Tensor {
	return must(TryNllLoss(input, target, weight, ignoreIndex, reduction))
}

// TryNllLoss is NllLoss with an error for its panic.
func TryNllLoss(input, target, weight torch.Tensor, ignoreIndex int64, reduction string) (torch.Tensor, error) {
	r, err := ParseReduction(reduction)
	if err != nil {
		return torch.Tensor{}, err
	}
	return torch.TryNLLLoss(input, target, weight, r, ignoreIndex)
}

// CrossEntropy is NllLoss of logits: it computes their LogSoftmax first.
func CrossEntropy(input, target, weight torch.Tensor, ignoreIndex int64, reduction string) torch.Tensor {
	return must(TryCrossEntropy(input, target, weight, ignoreIndex, reduction))
}

// TryCrossEntropy is CrossEntropy with an error for its panic.
func TryCrossEntropy(input, target, weight torch.Tensor, ignoreIndex int64, reduction string) (torch.Tensor, error) {
	r, err := ParseReduction(reduction)
	if err != nil {
		return torch.Tensor{}, err
	}
	return torch.TryCrossEntropyLoss(input, target, weight, r, ignoreIndex, 0)
}

// BinaryCrossEntropy returns the cross entropy of the probabilities input against
// target, of the same shape and in [0, 1]. weight, which is broadcast, may be the zero
// Tensor. reduction is "mean", "sum" or "none".
func BinaryCrossEntropy(input, target, weight torch.Tensor, reduction string) torch.Tensor {
	return must(TryBinaryCrossEntropy(input, target, weight, reduction))
}

// TryBinaryCrossEntropy is BinaryCrossEntropy with an error for its panic.
func TryBinaryCrossEntropy(input, target, weight torch.Tensor, reduction string) (torch.Tensor, error) {
	r, err := ParseReduction(reduction)
	if err != nil {
		return torch.Tensor{}, err
	}
	if err := sameShape("functional.BinaryCrossEntropy", input, target); err != nil {
		return torch.Tensor{}, err
	}
	return torch.TryBCELoss(input, target, weight, r)
}

// sameShape refuses what broadcasting would turn into the loss of something else.
func sameShape(op string, input, target torch.Tensor) error {
	var in, want []int64
	if err := torch.Try(func() { in, want = input.Shape(), target.Shape() }); err != nil {
		return err
	}
	if !slices.Equal(in, want) {
		return &torch.Error{Op: op, Text: fmt.Sprintf("the input has shape %v and the target %v; they must be the same", in, want)}
	}
	return nil
}
