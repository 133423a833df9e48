package torch

// ClipGradNorm scales the gradients of the parameters, all by the same factor, so
// that their norm, taken over all of them as one vector, is at most maxNorm; a
// smaller norm is left as it is. normType is the order of the norm: 2 for the
// Euclidean one, math.Inf(1) for the largest absolute value.
//
// It returns the norm as it was before, a scalar on the device of the first
// gradient, and waits for no device; reading it with Float64 does. After a norm
// that is infinite or no number the gradients are of no use: leave that step out,
// as a [GradScaler] does. Parameters without a gradient count nothing; without any
// the norm is 0. Call it between Backward and Step.
func ClipGradNorm(parameters []Tensor, maxNorm, normType float64) (total Tensor) {
	Scope(func(keep func(Tensor) Tensor) {
		NoGrad(func() {
			groups := gradsOf(parameters)
			if len(groups) == 0 {
				total = keep(Zeros(nil, false))
				return
			}
			total = keep(totalNorm(groups, normType))
			factor := clipFactor(total, maxNorm)
			for _, g := range groups {
				foreachMulTensor(g.grads, factor.moved(g.place))
			}
		})
	})
	return total
}

// TryClipGradNorm is ClipGradNorm with an error for its panic, which a parameter
// that is nil or closed causes.
func TryClipGradNorm(parameters []Tensor, maxNorm, normType float64) (total Tensor, err error) {
	err = Try(func() { total = ClipGradNorm(parameters, maxNorm, normType) })
	return total, err
}

// ClipGradValue cuts each element of the parameters' gradients to the range from
// -limit to limit.
func ClipGradValue(parameters []Tensor, limit float64) {
	Scope(func(func(Tensor) Tensor) {
		NoGrad(func() {
			for _, g := range gradsOf(parameters) {
				foreachClamp(g.grads, -limit, limit)
			}
		})
	})
}

// TryClipGradValue is ClipGradValue with an error for its panic.
func TryClipGradValue(parameters []Tensor, limit float64) error {
	return Try(func() { ClipGradValue(parameters, limit) })
}

// totalNorm is the norm of the norms, which is that of the whole for every order.
func totalNorm(groups []placedGrads, order float64) Tensor {
	var norms []Tensor
	for _, g := range groups {
		for _, n := range foreachNorm(g.grads, order) {
			norms = append(norms, n.moved(groups[0].place))
		}
	}
	return Norm(Stack(norms, 0), order, nil, false)
}

// clipFactor is maxNorm/total, but at most 1. It is PyTorch's to the last bit,
// with the 1e-6 that keeps it from dividing by zero, and always multiplied with,
// as asking whether it is below 1 would wait for the device.
func clipFactor(total Tensor, maxNorm float64) Tensor {
	return Clamp(MulScalar(Reciprocal(AddScalar(total, 1e-6)), maxNorm), 0, 1)
}
