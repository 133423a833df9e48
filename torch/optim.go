package torch

import (
	"fmt"
	"slices"
)

// Optimizer updates parameters by their gradients. Copies of the value share one
// optimizer, which belongs to one goroutine at a time.
//
// [SGD], [Adam], [AdamW] and [RMSProp] make one without parameters; give it some
// with AddParameters, or with AddParameterGroup those that need settings of
// their own. A training step is then
//
//	loss.Backward()
//	opt.Step()
//	opt.ZeroGrad()
//
// inside a [Scope]. The optimizer borrows its parameters and owns the tensors
// that it keeps for each (momenta and the like), whichever scope they were made
// in; Close frees them at once. An optimizer that is dropped without Close is
// left to the garbage collector. After Close all methods but Close panic.
type Optimizer struct {
	// Opt is what the copies of the value share; nil for the zero Optimizer.
	Opt *OptimizerState
}

// OptimizerState is what an [Optimizer] refers to.
//
// An optimizer is made of three parts that know little of each other. The rule
// is the formula, a few calls of operators that update many tensors at once. The
// groups hold the settings that may differ between parameters, and change from
// step to step. A member is a parameter with the tensors that the rule keeps for
// it. What lies between them is the same for every formula: sorting the members
// that have a gradient into batches that one operator can take (optim_step.go),
// and saving and restoring (optim_state.go). So an optimizer more is a formula
// more.
type OptimizerState struct {
	name   string // of the function that made it, for messages
	rule   rule
	groups []*ParameterGroup
	closed bool
}

// rule is the formula of an optimizer, with the settings that all groups share.
type rule interface {
	// slots names the tensors that the rule keeps for each parameter of g. They
	// begin as zeros in the parameter's shape, or as one zero for stepSlot.
	slots(g *ParameterGroup) []string

	// update computes a step of all parameters of b, in place, without recording.
	update(g *ParameterGroup, b *batch)
}

// ParameterGroup is a set of parameters with settings of its own. The settings
// may be changed between steps.
type ParameterGroup struct {
	LR          float64 // learning rate
	WeightDecay float64
	Momentum    float64 // of SGD and RMSProp; Adam's and AdamW's beta1

	members []*member
}

// Parameters lists the group's parameters in the order they were added.
func (g *ParameterGroup) Parameters() []Tensor {
	list := make([]Tensor, len(g.members))
	for i, m := range g.members {
		list[i] = m.tensor
	}
	return list
}

func newOptimizer(name string, r rule, first ParameterGroup) Optimizer {
	return Optimizer{&OptimizerState{name: name, rule: r, groups: []*ParameterGroup{&first}}}
}

// open returns the state for one of the methods, which must not run any more
// once the optimizer is closed.
func (o Optimizer) open(method string) *OptimizerState {
	switch {
	case o.Opt == nil:
		panic(&Error{Op: "torch.Optimizer." + method, Text: "the optimizer is nil; make one with SGD, Adam, AdamW or RMSProp"})
	case o.Opt.closed:
		panic(&Error{Op: "torch." + o.Opt.name + "." + method, Text: "the optimizer is closed"})
	}
	return o.Opt
}

// AddParameters adds leaves to the first group, which has the settings that the
// optimizer was made with. A leaf that is in the group already is not added
// again, so weights shared by two layers are updated once. AddParameters panics
// on a tensor that is no leaf, and on one that another group holds.
func (o Optimizer) AddParameters(parameters []Tensor) {
	s := o.open("AddParameters")
	s.add(s.groups[0], parameters)
}

// AddParameterGroup adds leaves as a group of their own and returns the group.
// Its settings begin as the first group's are now; set those that shall differ:
//
//	opt.AddParameterGroup(normsAndBiases).WeightDecay = 0
func (o Optimizer) AddParameterGroup(parameters []Tensor) *ParameterGroup {
	s := o.open("AddParameterGroup")
	first := s.groups[0]
	g := &ParameterGroup{LR: first.LR, WeightDecay: first.WeightDecay, Momentum: first.Momentum}
	s.add(g, parameters)
	s.groups = append(s.groups, g)
	return g
}

func (s *OptimizerState) add(g *ParameterGroup, parameters []Tensor) {
	refuse := func(i int, why string) {
		panic(&Error{Op: "torch." + s.name, Text: fmt.Sprintf("parameter %d of those given %s", i, why)})
	}
	added := slices.Clone(g.members)
	for i, p := range parameters {
		same := func(m *member) bool { return m.tensor.pointer() == p.pointer() }
		if p.info().IsLeaf == 0 {
			refuse(i, "was computed by an operator; an optimizer takes leaves only: pass the tensors it was computed from, or its Detach()")
		}
		for _, other := range s.groups {
			if other != g && slices.ContainsFunc(other.members, same) {
				refuse(i, "is in another group already; add each parameter to one group")
			}
		}
		if !slices.ContainsFunc(added, same) {
			added = append(added, &member{tensor: p})
		}
	}
	g.members = added
}

// Groups lists the groups: first that of AddParameters, then those of
// AddParameterGroup in their order.
func (o Optimizer) Groups() []*ParameterGroup { return slices.Clone(o.open("Groups").groups) }

// ZeroGrad drops the gradients of all parameters. A parameter that the next
// Backward does not reach is then left alone by Step.
func (o Optimizer) ZeroGrad() {
	for _, g := range o.open("ZeroGrad").groups {
		ClearGrads(g.Parameters())
	}
}

// LR tells the learning rate of the first group.
func (o Optimizer) LR() float64 { return o.open("LR").groups[0].LR }

// SetLR sets the learning rate of all groups.
func (o Optimizer) SetLR(lr float64) {
	for _, g := range o.open("SetLR").groups {
		g.LR = lr
	}
}

// LRs tells the learning rate of each group.
func (o Optimizer) LRs() []float64 {
	groups := o.open("LRs").groups
	lrs := make([]float64, len(groups))
	for i, g := range groups {
		lrs[i] = g.LR
	}
	return lrs
}

// SetLRs sets the learning rate of each group; package lrscheduler calls it. It
// panics unless there are as many as groups.
func (o Optimizer) SetLRs(lrs []float64) {
	s := o.open("SetLRs")
	if len(lrs) != len(s.groups) {
		panic(&Error{Op: "torch." + s.name + ".SetLRs", Text: fmt.Sprintf("%d learning rates for %d parameter groups; pass one for each", len(lrs), len(s.groups))})
	}
	for i, g := range s.groups {
		g.LR = lrs[i]
	}
}

// SetMomentum sets the momentum of all groups: Adam's and AdamW's beta1.
func (o Optimizer) SetMomentum(momentum float64) {
	for _, g := range o.open("SetMomentum").groups {
		g.Momentum = momentum
	}
}

// Close frees what the optimizer keeps. The parameters are their owner's. It may
// be called more than once, and on the zero Optimizer.
func (o Optimizer) Close() {
	if o.Opt == nil {
		return
	}
	for _, m := range o.Opt.members() {
		m.reset()
	}
	o.Opt.groups, o.Opt.closed = nil, true
}

// members lists the parameters of all groups in order.
func (s *OptimizerState) members() []*member {
	var list []*member
	for _, g := range s.groups {
		list = append(list, g.members...)
	}
	return list
}

// settings collects what is wrong with the arguments of an optimizer's maker.
type settings struct {
	maker string
	err   error
}

func (s *settings) check(ok bool, name string, value any, rule string) {
	if !ok && s.err == nil {
		s.err = &Error{Op: "torch." + s.maker, Text: fmt.Sprintf("%s is %v; %s", name, value, rule)}
	}
}

// The comparisons below are written so that NaN fails them.
func (s *settings) notNegative(name string, v float64) {
	s.check(v >= 0, name, v, "it must be 0 or more")
}

func (s *settings) belowOne(name string, v float64) {
	s.check(v >= 0 && v < 1, name, v, "it must be at least 0 and below 1")
}
