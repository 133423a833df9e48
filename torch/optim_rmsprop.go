package torch

// rmsprop divides the gradient by a running root mean square. libtorch has no
// fused operator for it; each line of update is one operator over all tensors.
type rmsprop struct {
	alpha, eps float64
	centered   bool
}

// RMSProp makes an optimizer by Hinton, as PyTorch defines it:
// https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html. alpha
// is the share that the running mean of squares keeps each step, eps is added to
// its root. centered takes the variance in place of the mean of squares. PyTorch's
// defaults are lr 0.01, alpha 0.99, eps 1e-8 and 0 for the others. It panics when
// one of the numbers is negative, or alpha is 1 or more.
func RMSProp(lr, alpha, eps, weightDecay, momentum float64, centered bool) Optimizer {
	return must(TryRMSProp(lr, alpha, eps, weightDecay, momentum, centered))
}

// TryRMSProp is RMSProp with an error instead of a panic.
func TryRMSProp(lr, alpha, eps, weightDecay, momentum float64, centered bool) (Optimizer, error) {
	s := settings{maker: "RMSProp"}
	s.notNegative("lr", lr)
	s.belowOne("alpha", alpha)
	s.notNegative("eps", eps)
	s.notNegative("weightDecay", weightDecay)
	s.notNegative("momentum", momentum)
	if s.err != nil {
		return Optimizer{}, s.err
	}
	return newOptimizer("RMSProp", rmsprop{alpha, eps, centered}, ParameterGroup{LR: lr, WeightDecay: weightDecay, Momentum: momentum}), nil
}

func (r rmsprop) slots(g *ParameterGroup) []string {
	names := []string{"square_avg"}
	if g.Momentum != 0 {
		names = append(names, momentumSlot)
	}
	if r.centered {
		names = append(names, "grad_avg")
	}
	return names
}

func (r rmsprop) update(g *ParameterGroup, b *batch) {
	grads := b.grads
	if g.WeightDecay != 0 {
		grads = foreachAdd(grads, b.params, g.WeightDecay)
	}
	squares := b.slots["square_avg"]
	foreachMulScalar(squares, r.alpha)
	foreachAddProduct(squares, grads, grads, 1-r.alpha)

	var root []Tensor
	if r.centered {
		means := b.slots["grad_avg"]
		foreachLerp(means, grads, 1-r.alpha)
		root = foreachSquareRoot(foreachPlusProduct(squares, means, means, -1))
	} else {
		root = foreachSquareRoot(squares)
	}
	foreachAddScalar(root, r.eps)

	if g.Momentum == 0 {
		foreachAddQuotient(b.params, grads, root, -g.LR)
		return
	}
	momenta := b.slots[momentumSlot]
	foreachMulScalar(momenta, g.Momentum)
	foreachAddQuotient(momenta, grads, root, 1)
	foreachAddI(b.params, momenta, -g.LR)
}
