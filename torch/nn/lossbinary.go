package nn

import (
	"slices"

	"github.com/torchlit/torchlit/torch"
)

// BinaryLossOptions are the optional settings of BCELoss and BCEWithLogitsLoss. The
// zero value is PyTorch's defaults. The module takes the tensors over.
type BinaryLossOptions struct {
	Weight    torch.Tensor // weighs the elements, broadcast; the zero Tensor for none
	PosWeight torch.Tensor // weighs the positive class; of BCEWithLogitsLoss alone
	Reduction string
}

// BCELossModule is the loss of probabilities: see BCELoss.
type BCELossModule struct {
	Module
	Weight    torch.Tensor `gotorch:"buffer"` // the zero Tensor for none
	Reduction torch.Reduction
}

// BCELoss makes the binary cross entropy of probabilities.
func BCELoss(o BinaryLossOptions) *BCELossModule {
	if o.PosWeight.T != nil {
		panic(misuse("nn.BCELoss", "it has no weight of the positive class; use BCEWithLogitsLoss"))
	}
	b := &BCELossModule{Weight: o.Weight, Reduction: reductionOf(o.Reduction)}
	b.Init(b)
	return b
}

// Forward returns the loss of probabilities against target, of the same shape and in
// [0, 1].
func (b *BCELossModule) Forward(probabilities, target torch.Tensor) torch.Tensor {
	mustMatch("nn.BCELoss", probabilities, target)
	return torch.BCELoss(probabilities, target, b.Weight, b.Reduction)
}

// BCEWithLogitsLossModule is the loss of logits: see BCEWithLogitsLoss.
type BCEWithLogitsLossModule struct {
	Module
	Weight    torch.Tensor `gotorch:"buffer"` // the zero Tensor for none
	PosWeight torch.Tensor `gotorch:"buffer"` // the zero Tensor for none
	Reduction torch.Reduction
}

// BCEWithLogitsLoss makes BCELoss of Sigmoid(logits), exact for large logits.
func BCEWithLogitsLoss(o BinaryLossOptions) *BCEWithLogitsLossModule {
	b := &BCEWithLogitsLossModule{Weight: o.Weight, PosWeight: o.PosWeight, Reduction: reductionOf(o.Reduction)}
	b.Init(b)
	return b
}

// Forward returns the loss of logits against target, of the same shape and in [0, 1].
func (b *BCEWithLogitsLossModule) Forward(logits, target torch.Tensor) torch.Tensor {
	mustMatch("nn.BCEWithLogitsLoss", logits, target)
	return torch.BCEWithLogitsLoss(logits, target, b.Weight, b.PosWeight, b.Reduction)
}

// mustMatch refuses what broadcasting would turn into the loss of something else.
func mustMatch(op string, input, target torch.Tensor) {
	if in, want := input.Shape(), target.Shape(); !slices.Equal(in, want) {
		panic(misuse(op, "the input has shape %v and the target %v; they must be the same", in, want))
	}
}

// TripleLossModule is a loss of three tensors: CosineEmbeddingLoss and
// TripletMarginLoss.
type TripleLossModule struct {
	Module
	loss func(a, b, c torch.Tensor) torch.Tensor
}

func newTripleLoss(loss func(a, b, c torch.Tensor) torch.Tensor) *TripleLossModule {
	l := &TripleLossModule{loss: loss}
	l.Init(l)
	return l
}

// Forward returns the loss: a scalar or, by the reduction "none", one for each row.
func (l *TripleLossModule) Forward(a, b, c torch.Tensor) torch.Tensor { return l.loss(a, b, c) }

// CosineEmbeddingLoss makes a loss of a, b [N, d] and target [N]: 1 - cos(a, b) where
// target is 1, and max(0, cos(a, b) - margin) where it is -1. PyTorch's default margin
// is 0.
func CosineEmbeddingLoss(margin float64, reduction string) *TripleLossModule {
	r := reductionOf(reduction)
	return newTripleLoss(func(a, b, target torch.Tensor) torch.Tensor {
		return torch.CosineEmbeddingLoss(a, b, target, margin, r)
	})
}

// TripletMarginLoss makes a loss of anchor, positive and negative [N, d]:
// max(0, d(anchor, positive) - d(anchor, negative) + margin), d being the distance by
// the p-norm. PyTorch's defaults are a margin of 1 and a p of 2.
func TripletMarginLoss(margin, p float64, reduction string) *TripleLossModule {
	r := reductionOf(reduction)
	return newTripleLoss(func(anchor, positive, negative torch.Tensor) torch.Tensor {
		return torch.TripletMarginLoss(anchor, positive, negative, margin, p, r)
	})
}
