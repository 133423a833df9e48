package nn

import (
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn/functional"
)

// LossModule is a loss of an input against a target that needs no tensors of its own:
// MSELoss, L1Loss, SmoothL1Loss, HuberLoss and KLDivLoss.
type LossModule struct {
	Module
	loss func(input, target torch.Tensor) torch.Tensor
}

func newLoss(loss func(input, target torch.Tensor) torch.Tensor) *LossModule {
	l := &LossModule{loss: loss}
	l.Init(l)
	return l
}

// Forward returns the loss: a scalar or, by the reduction "none", one for each element.
func (l *LossModule) Forward(input, target torch.Tensor) torch.Tensor { return l.loss(input, target) }

// reductionOf reads a reduction in a constructor; "" stands for "mean".
func reductionOf(name string) torch.Reduction {
	if name == "" {
		name = "mean"
	}
	r, err := functional.ParseReduction(name)
	if err != nil {
		panic(err)
	}
	return r
}

// MSELoss makes the loss (input - target)². reduction, here as in all losses, is "mean"
// or "" for the same, "sum" or "none".
func MSELoss(reduction string) *LossModule {
	r := reductionOf(reduction)
	return newLoss(func(input, target torch.Tensor) torch.Tensor { return torch.MSELoss(input, target, r) })
}

// L1Loss makes the loss |input - target|.
func L1Loss(reduction string) *LossModule {
	r := reductionOf(reduction)
	return newLoss(func(input, target torch.Tensor) torch.Tensor { return torch.L1Loss(input, target, r) })
}

// SmoothL1Loss makes a loss that is quadratic below beta, and L1Loss - beta/2 above.
// PyTorch's default beta is 1.
func SmoothL1Loss(beta float64, reduction string) *LossModule {
	r := reductionOf(reduction)
	return newLoss(func(input, target torch.Tensor) torch.Tensor { return torch.SmoothL1Loss(input, target, r, beta) })
}

// HuberLoss makes a loss that is quadratic below delta, and linear above. PyTorch's
// default delta is 1.
func HuberLoss(delta float64, reduction string) *LossModule {
	r := reductionOf(reduction)
	return newLoss(func(input, target torch.Tensor) torch.Tensor { return torch.HuberLoss(input, target, r, delta) })
}

// KLDivLoss makes the loss target·(log target - input), input being log-probabilities,
// and target, too, when logTarget. The reduction may also be "batchmean", the sum
// divided by the number of rows, which is the divergence by its definition; "mean"
// divides by the number of elements.
func KLDivLoss(logTarget bool, reduction string) *LossModule {
	if reduction == "batchmean" {
		return newLoss(func(input, target torch.Tensor) torch.Tensor {
			sum := torch.KLDivLoss(input, target, torch.ReduceSum, logTarget)
			defer sum.Close()
			return sum.DivScalar(float64(input.Shape()[0]))
		})
	}
	r := reductionOf(reduction)
	return newLoss(func(input, target torch.Tensor) torch.Tensor { return torch.KLDivLoss(input, target, r, logTarget) })
}

// ClassLossOptions are the optional settings of CrossEntropyLoss and NLLLoss. The zero
// value is PyTorch's defaults.
type ClassLossOptions struct {
	// Weight [classes] weighs the classes; the zero Tensor for none. The module takes
	// it over.
	Weight torch.Tensor
	// IgnoreIndex is a target that does not count; nil for -100.
	IgnoreIndex *int64
	Reduction   string
	// LabelSmoothing in [0, 1) moves that share of the target's mass to all classes
	// evenly. Of CrossEntropyLoss alone.
	LabelSmoothing float64
}

func (o ClassLossOptions) ignoreIndex() int64 {
	if o.IgnoreIndex == nil {
		return -100
	}
	return *o.IgnoreIndex
}

// CrossEntropyLossModule is the loss of a classifier's logits: see CrossEntropyLoss.
type CrossEntropyLossModule struct {
	Module
	Weight         torch.Tensor `gotorch:"buffer"` // [classes]; the zero Tensor for none
	IgnoreIndex    int64
	Reduction      torch.Reduction
	LabelSmoothing float64
}

// CrossEntropyLoss makes the cross entropy of logits against classes or probabilities.
func CrossEntropyLoss(o ClassLossOptions) *CrossEntropyLossModule {
	if !(o.LabelSmoothing >= 0 && o.LabelSmoothing <= 1) {
		panic(misuse("nn.CrossEntropyLoss", "the label smoothing is %v; give a share from 0 to 1", o.LabelSmoothing))
	}
	c := &CrossEntropyLossModule{
		Weight: o.Weight, IgnoreIndex: o.ignoreIndex(), Reduction: reductionOf(o.Reduction), LabelSmoothing: o.LabelSmoothing,
	}
	c.Init(c)
	return c
}

// Forward returns the loss of logits [N, classes, ...] against target: classes (Long)
// [N, ...], or probabilities of logits' shape.
func (c *CrossEntropyLossModule) Forward(logits, target torch.Tensor) torch.Tensor {
	return torch.CrossEntropyLoss(logits, target, c.Weight, c.Reduction, c.IgnoreIndex, c.LabelSmoothing)
}

// NLLLossModule is the loss of log-probabilities: see NLLLoss.
type NLLLossModule struct {
	Module
	Weight      torch.Tensor `gotorch:"buffer"` // [classes]; the zero Tensor for none
	IgnoreIndex int64
	Reduction   torch.Reduction
}

// NLLLoss makes the negative of the target classes' log-probabilities.
func NLLLoss(o ClassLossOptions) *NLLLossModule {
	if o.LabelSmoothing != 0 {
		panic(misuse("nn.NLLLoss", "it has no label smoothing; use CrossEntropyLoss"))
	}
	n := &NLLLossModule{Weight: o.Weight, IgnoreIndex: o.ignoreIndex(), Reduction: reductionOf(o.Reduction)}
	n.Init(n)
	return n
}

// Forward returns the loss of logProbs [N, classes, ...] against classes (Long)
// [N, ...].
func (n *NLLLossModule) Forward(logProbs, target torch.Tensor) torch.Tensor {
	return torch.NLLLoss(logProbs, target, n.Weight, n.Reduction, n.IgnoreIndex)
}
