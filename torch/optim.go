package torch

import (
	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

var opFusedSGD = libtorch.NewOp("aten::_fused_sgd_")

// Optimizer updates parameters by their gradients. It belongs to one goroutine.
type Optimizer struct {
	// Opt is the optimizer's state; nil for the zero Optimizer.
	Opt *SGDState
}

// SGDState is stochastic gradient descent with momentum, as PyTorch defines it.
// The whole step of all parameters is one fused operator.
type SGDState struct {
	lr, momentum, dampening, weightDecay float64
	nesterov                             bool

	parameters []Tensor
	momenta    []Tensor // one a parameter; empty without momentum
	stepped    bool     // momenta hold something
}

// SGD makes an optimizer without parameters yet: see AddParameters. Formula:
// https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html.
func SGD(lr, momentum, dampening, weightDecay float64, nesterov bool) Optimizer {
	return Optimizer{&SGDState{
		lr: lr, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov,
	}}
}

// AddParameters gives the optimizer leaves to update. It borrows them.
func (o Optimizer) AddParameters(parameters []Tensor) {
	o.Opt.parameters = append(o.Opt.parameters, parameters...)
	if o.Opt.momentum == 0 {
		return
	}
	outsideScopes(func() {
		for _, p := range parameters {
			o.Opt.momenta = append(o.Opt.momenta, zerosLike(p))
		}
	})
}

var opZerosLike = libtorch.NewOp("aten::zeros_like")

func zerosLike(t Tensor) Tensor {
	var c call
	c.tensor(t).None().None().None().None().None()
	return c.run(opZerosLike)
}

// ZeroGrad drops the gradients of all parameters.
func (o Optimizer) ZeroGrad() { ClearGrads(o.Opt.parameters) }

// SetLR sets the learning rate of the next steps.
func (o Optimizer) SetLR(lr float64) { o.Opt.lr = lr }

// SetMomentum sets the momentum of the next steps. The optimizer must have been
// made with a momentum other than zero.
func (o Optimizer) SetMomentum(momentum float64) { o.Opt.momentum = momentum }

// Step updates every parameter that has a gradient.
func (o Optimizer) Step() {
	s := o.Opt
	Scope(func(func(Tensor) Tensor) {
		var params, grads, momenta []Tensor
		for i, p := range s.parameters {
			g := p.Grad()
			if g.T == nil {
				continue
			}
			params, grads = append(params, p), append(grads, g)
			if len(s.momenta) > 0 {
				momenta = append(momenta, s.momenta[i])
			}
		}
		if len(params) > 0 {
			NoGrad(func() { s.update(params, grads, momenta) })
			s.stepped = true
		}
	})
}

func (s *SGDState) update(params, grads, momenta []Tensor) {
	var c call
	c.tensors(params).tensors(grads).tensors(momenta)
	c.Float(s.weightDecay).Float(s.momentum).Float(s.lr).Float(s.dampening)
	c.Bool(s.nesterov).Bool(false).Bool(!s.stepped)
	c.None().None()
	c.exec(opFusedSGD)
}

// Momenta returns the momentum buffers, one a parameter in the order of
// AddParameters, borrowed. A checkpoint saves them; see Restore.
func (o Optimizer) Momenta() []Tensor { return o.Opt.momenta }

// Restore declares that the momentum buffers have been overwritten with those
// of an earlier run, so that the next step continues from them.
func (o Optimizer) Restore() { o.Opt.stepped = true }

// Close frees the momentum buffers. The parameters are their owner's.
func (o Optimizer) Close() {
	for _, m := range o.Opt.momenta {
		m.Close()
	}
	o.Opt.momenta = nil
}
