package torch

import "github.com/torchlit/torchlit/torch/internal/libtorch"

var opFusedSGD = libtorch.NewOp("aten::_fused_sgd_")

// sgd is stochastic gradient descent with momentum, one fused operator a step.
type sgd struct {
	dampening float64
	nesterov  bool
}

// SGD makes an optimizer that follows the gradient, with momentum unless that is
// 0, as PyTorch defines it:
// https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html. It panics
// when a setting is out of its range: lr, momentum and weightDecay are 0 or
// more, and nesterov wants a momentum and no dampening.
func SGD(lr, momentum, dampening, weightDecay float64, nesterov bool) Optimizer {
	return must(TrySGD(lr, momentum, dampening, weightDecay, nesterov))
}

// TrySGD is SGD with an error instead of a panic.
func TrySGD(lr, momentum, dampening, weightDecay float64, nesterov bool) (Optimizer, error) {
	s := settings{maker: "SGD"}
	s.notNegative("lr", lr)
	s.notNegative("momentum", momentum)
	s.notNegative("weightDecay", weightDecay)
	s.check(!nesterov || momentum > 0 && dampening == 0, "nesterov", nesterov, "it wants a momentum above 0 and a dampening of 0")
	if s.err != nil {
		return Optimizer{}, s.err
	}
	return newOptimizer("SGD", sgd{dampening, nesterov}, ParameterGroup{LR: lr, WeightDecay: weightDecay, Momentum: momentum}), nil
}

func (r sgd) slots(g *ParameterGroup) []string {
	if g.Momentum == 0 {
		return nil
	}
	return []string{momentumSlot}
}

func (r sgd) update(g *ParameterGroup, b *batch) {
	var c call
	c.tensors(b.params).tensors(b.grads).tensors(b.slots[momentumSlot])
	c.Float(g.WeightDecay).Float(g.Momentum).Float(g.LR).Float(r.dampening)
	c.Bool(r.nesterov).Bool(false).Bool(b.first) // maximize; is_first_step
	c.None().None()                              // grad_scale, found_inf
	c.exec(opFusedSGD)
}
