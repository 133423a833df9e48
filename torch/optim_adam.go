package torch

import "github.com/torchlit/torchlit/torch/internal/libtorch"

var (
	opFusedAdam  = libtorch.NewOp("aten::_fused_adam_")
	opFusedAdamW = libtorch.NewOp("aten::_fused_adamw_")
)

// adam is Adam, or AdamW, which differs in where weight decay enters: one fused
// operator a step, after one that counts.
type adam struct {
	op    *libtorch.Op
	beta2 float64
}

// adamEps keeps the division by the root of the mean square from blowing up. It
// is what gotorch and PyTorch use unless told otherwise.
const adamEps = 1e-8

// Adam makes an optimizer by Kingma & Ba, https://arxiv.org/abs/1412.6980, as
// PyTorch defines it, without AMSGrad and with epsilon 1e-8. weightDecay adds to
// the gradient; see AdamW. It panics when a setting is out of its range: lr and
// weightDecay are 0 or more, the betas at least 0 and below 1.
func Adam(lr, beta1, beta2, weightDecay float64) Optimizer {
	return must(TryAdam(lr, beta1, beta2, weightDecay))
}

// TryAdam is Adam with an error instead of a panic.
func TryAdam(lr, beta1, beta2, weightDecay float64) (Optimizer, error) {
	return newAdam("Adam", opFusedAdam, lr, beta1, beta2, weightDecay)
}

// AdamW makes an optimizer by Loshchilov & Hutter, https://arxiv.org/abs/1711.05101:
// Adam whose weight decay shrinks the weights themselves, by lr·weightDecay a
// step, instead of adding to the gradient. It panics as Adam does.
func AdamW(lr, beta1, beta2, weightDecay float64) Optimizer {
	return must(TryAdamW(lr, beta1, beta2, weightDecay))
}

// TryAdamW is AdamW with an error instead of a panic.
func TryAdamW(lr, beta1, beta2, weightDecay float64) (Optimizer, error) {
	return newAdam("AdamW", opFusedAdamW, lr, beta1, beta2, weightDecay)
}

func newAdam(name string, op *libtorch.Op, lr, beta1, beta2, weightDecay float64) (Optimizer, error) {
	s := settings{maker: name}
	s.notNegative("lr", lr)
	s.belowOne("beta1", beta1)
	s.belowOne("beta2", beta2)
	s.notNegative("weightDecay", weightDecay)
	if s.err != nil {
		return Optimizer{}, s.err
	}
	return newOptimizer(name, adam{op, beta2}, ParameterGroup{LR: lr, WeightDecay: weightDecay, Momentum: beta1}), nil
}

func (r adam) slots(*ParameterGroup) []string { return []string{stepSlot, "exp_avg", "exp_avg_sq"} }

func (r adam) update(g *ParameterGroup, b *batch) {
	foreachAddScalar(b.slots[stepSlot], 1)
	var c call
	c.tensors(b.params).tensors(b.grads).tensors(b.slots["exp_avg"]).tensors(b.slots["exp_avg_sq"])
	c.tensors(nil).tensors(b.slots[stepSlot]) // no AMSGrad, so no maxima
	c.Float(g.LR).Float(g.Momentum).Float(r.beta2).Float(g.WeightDecay).Float(adamEps)
	c.Bool(false).Bool(false) // amsgrad, maximize
	c.None().None()           // grad_scale, found_inf
	c.exec(r.op)
}
