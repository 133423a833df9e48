package torch

import (
	"slices"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Step updates every parameter that has a gradient.
func (o Optimizer) Step() {
	s := o.open("Step")
	Scope(func(func(Tensor) Tensor) {
		NoGrad(func() {
			for _, g := range s.groups {
				s.step(g)
			}
		})
	})
}

func (s *OptimizerState) step(g *ParameterGroup) {
	slots := s.rule.slots(g)
	var batches []*batch
	for _, m := range g.members {
		grad := m.tensor.Grad()
		if grad.T == nil {
			continue
		}
		info := m.tensor.info()
		m.prepare(slots, &info)
		k := kind{placeOf(&info), m.unset}
		i := slices.IndexFunc(batches, func(b *batch) bool { return b.kind == k })
		if i < 0 {
			i = len(batches)
			batches = append(batches, &batch{kind: k, slots: map[string][]Tensor{}})
		}
		batches[i].add(m, &info, grad, slots)
	}
	for _, b := range batches {
		s.rule.update(g, b)
		b.finish()
	}
}

// place is what the tensors of one list of a fused operator have in common.
type place struct{ dtype, deviceType, deviceIndex int64 }

func placeOf(info *libtorch.Info) place {
	return place{info.DType, info.DeviceType, info.DeviceIndex}
}

func (p place) device() Device { return Device{kind: p.deviceType, index: p.deviceIndex} }

// kind is what the members of a batch have in common. The first step of a
// parameter is a kind of its own, as SGD's momentum begins as the gradient and
// not as a share of it; a layer that gets its first gradient late has its first
// step late.
type kind struct {
	place
	first bool
}

// batch is the parameters of a group that one operator updates, with their
// gradients and what the rule keeps of each; all lists are in the same order.
type batch struct {
	kind
	params, grads []Tensor
	slots         map[string][]Tensor

	members []*member
	copies  []stagedCopy
}

// stagedCopy is a parameter with gaps in its memory and the copy that is updated
// in its stead.
type stagedCopy struct{ param, dense Tensor }

// add makes sure that parameter and gradient lie in memory in the same order and
// without gaps, as the slots do, before it adds them: the fused operators walk
// their tensors as plain arrays and do not look at strides. PyTorch 2.11's own
// optimizers pass them on unchecked, with fused=True, and then update the wrong
// elements.
func (b *batch) add(m *member, info *libtorch.Info, grad Tensor, slots []string) {
	p := m.tensor
	if !dense(info) {
		p = copyLike(p, p)
		b.copies = append(b.copies, stagedCopy{m.tensor, p})
		of := p.info()
		info = &of
	}
	if g := grad.info(); !sameLayout(info, &g) {
		grad = copyLike(p, grad)
	}
	b.members = append(b.members, m)
	b.params = append(b.params, p)
	b.grads = append(b.grads, grad)
	for _, name := range slots {
		b.slots[name] = append(b.slots[name], m.slots[name])
	}
}

func (b *batch) finish() {
	for _, c := range b.copies {
		c.param.CopyI(c.dense)
	}
	for _, m := range b.members {
		m.unset = false
	}
}

// dense tells whether the elements fill a piece of memory, in whatever order.
func dense(info *libtorch.Info) bool {
	if info.Numel == 0 {
		return true
	}
	dims := make([]int, 0, 8)
	for d := range int(info.Dims) {
		if info.Sizes[d] > 1 {
			dims = append(dims, d)
		}
	}
	slices.SortFunc(dims, func(a, b int) int { return int(info.Strides[a] - info.Strides[b]) })
	expected := int64(1)
	for _, d := range dims {
		if info.Strides[d] != expected {
			return false
		}
		expected *= info.Sizes[d]
	}
	return true
}

// sameLayout tells whether tensors of the same shape have their elements in the
// same order. The stride of a dimension of one element means nothing.
func sameLayout(a, b *libtorch.Info) bool {
	for d := range int(a.Dims) {
		if a.Sizes[d] > 1 && a.Strides[d] != b.Strides[d] {
			return false
		}
	}
	return true
}

// copyLike returns values in the shape and the type of model, densely laid out
// in its order.
func copyLike(model, values Tensor) Tensor { return EmptyLike(model).CopyI(values) }
