package torch

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// member is a parameter and what the rule keeps for it: nothing until its first
// step, as PyTorch does, so that the parameter may still be moved before.
type member struct {
	tensor Tensor
	slots  map[string]Tensor
	made   libtorch.Info // the parameter when the slots were made
	unset  bool          // the slots are zeros that no step has written
}

const (
	stepSlot     = "step" // one float32 that counts the steps
	momentumSlot = "momentum_buffer"
)

// prepare makes the named slots that m lacks. When the parameter has been moved
// to another device, type or layout since (Module.To, SetData), the slots follow.
func (m *member) prepare(names []string, info *libtorch.Info) {
	if len(m.slots) > 0 && (placeOf(&m.made) != placeOf(info) || !sameShape(&m.made, info) || !sameLayout(&m.made, info)) {
		m.follow(info)
	}
	for _, name := range names {
		if _, ok := m.slots[name]; !ok {
			m.set(name, newSlot(name, m.tensor, info))
			m.made, m.unset = *info, true
		}
	}
}

func (m *member) set(name string, t Tensor) {
	if m.slots == nil {
		m.slots = map[string]Tensor{}
	}
	if old, ok := m.slots[name]; ok {
		old.Close()
	}
	m.slots[name] = t
}

func (m *member) follow(info *libtorch.Info) {
	if !sameShape(&m.made, info) {
		panic(&Error{Op: "torch.Optimizer", Text: fmt.Sprintf("a parameter of shape %v had shape %v when it was stepped before; make another optimizer",
			info.Sizes[:info.Dims], m.made.Sizes[:m.made.Dims])})
	}
	for name, old := range maps.Clone(m.slots) {
		t := newSlot(name, m.tensor, info)
		t.CopyI(old)
		m.set(name, t)
	}
	m.made = *info
}

func sameShape(a, b *libtorch.Info) bool {
	return slices.Equal(a.Sizes[:a.Dims], b.Sizes[:b.Dims])
}

// newSlot makes a slot of zeros for a parameter, which belongs to no scope.
func newSlot(name string, of Tensor, info *libtorch.Info) (t Tensor) {
	outsideScopes(func() {
		if name == stepSlot {
			t = numberAt(placeOf(info), Float, 0)
			return
		}
		t = ZerosLike(of)
	})
	return t
}

// reset frees the slots: the parameter is as if never stepped.
func (m *member) reset() {
	for _, t := range m.slots {
		t.Close()
	}
	m.slots, m.unset = nil, false
}

// numbers lists the group's settings under their names in a state dict.
func (g *ParameterGroup) numbers() map[string]*float64 {
	return map[string]*float64{"lr": &g.LR, "weight_decay": &g.WeightDecay, "momentum": &g.Momentum}
}

// StateDict returns all that a checkpoint must hold, besides the parameters, for
// an optimizer made and filled by the same calls to go on exactly as this one
// would. The keys are
//
//	groups.G.lr, groups.G.weight_decay, groups.G.momentum
//	state.P.NAME
//
// where G counts the groups, P the parameters through all groups in order, and
// NAME is PyTorch's name of what the formula keeps: momentum_buffer of SGD;
// step, exp_avg and exp_avg_sq of Adam and AdamW; square_avg, momentum_buffer
// and grad_avg of RMSProp. Settings are Double scalars, the others have the
// parameter's shape and type, but step, which is a Float scalar. A parameter
// that has had no step has no keys. Settings that all groups share, such as
// Nesterov's or epsilon, are not in it.
//
// The tensors are the caller's to close. They share the optimizer's memory: save
// them before the next Step.
func (o Optimizer) StateDict() map[string]Tensor {
	s := o.open("StateDict")
	dict := map[string]Tensor{}
	for i, g := range s.groups {
		for name, v := range g.numbers() {
			dict[fmt.Sprintf("groups.%d.%s", i, name)] = FromSlice([]float64{*v})
		}
	}
	for i, m := range s.members() {
		if m.unset {
			continue
		}
		for name, t := range m.slots {
			dict[fmt.Sprintf("state.%d.%s", i, name)] = t.Detach()
		}
	}
	return dict
}

// SetStateDict restores what StateDict returned, of which it makes copies, be
// they on this device or another. It returns an error, and changes nothing, when
// the dict is not of an optimizer of the same kind, groups and shapes.
func (o Optimizer) SetStateDict(dict map[string]Tensor) error {
	s := o.open("SetStateDict")
	groups, err := s.groupsIn(dict)
	if err != nil {
		return fmt.Errorf("cannot restore the optimizer %s: %w", s.name, err)
	}
	states, err := s.statesIn(dict, groups)
	if err != nil {
		return fmt.Errorf("cannot restore the optimizer %s: %w", s.name, err)
	}
	NoGrad(func() {
		for i, m := range s.members() {
			m.restore(states[i])
		}
	})
	for i, g := range s.groups {
		g.LR, g.WeightDecay, g.Momentum = groups[i].LR, groups[i].WeightDecay, groups[i].Momentum
	}
	return nil
}

func (m *member) restore(state map[string]Tensor) {
	m.reset()
	m.made = m.tensor.info()
	for name, src := range state {
		t := newSlot(name, m.tensor, &m.made)
		t.CopyI(src)
		m.set(name, t)
	}
}

// groupsIn reads the settings of the groups.
func (s *OptimizerState) groupsIn(dict map[string]Tensor) ([]ParameterGroup, error) {
	groups := make([]ParameterGroup, len(s.groups))
	for i := range groups {
		for name, v := range groups[i].numbers() {
			key := fmt.Sprintf("groups.%d.%s", i, name)
			t, ok := dict[key]
			if !ok {
				return nil, fmt.Errorf("%q is missing; it has %d parameter groups, add the same before restoring", key, len(groups))
			}
			if n := t.Numel(); n != 1 {
				return nil, fmt.Errorf("%q holds %d numbers instead of one", key, n)
			}
			*v = t.Float64()
		}
	}
	return groups, nil
}

// statesIn sorts the dict's tensors by parameter. The groups are those of the
// dict, as the momentum decides which slots there are.
func (s *OptimizerState) statesIn(dict map[string]Tensor, groups []ParameterGroup) ([]map[string]Tensor, error) {
	members := s.members()
	states := make([]map[string]Tensor, len(members))
	slots := make([][]string, 0, len(members))
	for i, g := range s.groups {
		slots = append(slots, slices.Repeat([][]string{s.rule.slots(&groups[i])}, len(g.members))...)
	}
	for key, t := range dict {
		i, name, ok := parseKey(key, len(members), len(groups))
		switch {
		case !ok || i >= 0 && !slices.Contains(slots[i], name):
			return nil, fmt.Errorf("%q is not a key of it; is it another optimizer's, or of other parameters?", key)
		case i < 0:
			continue // a group's
		}
		if want, got := slotShape(name, members[i].tensor), t.Shape(); !slices.Equal(want, got) {
			return nil, fmt.Errorf("%q has shape %v; the parameter wants %v", key, got, want)
		}
		if states[i] == nil {
			states[i] = map[string]Tensor{}
		}
		states[i][name] = t
	}
	for i, state := range states {
		for _, name := range slots[i] {
			if _, ok := state[name]; !ok && len(state) > 0 {
				return nil, fmt.Errorf("%q is missing", fmt.Sprintf("state.%d.%s", i, name))
			}
		}
	}
	return states, nil
}

// parseKey takes a key apart: parameter and slot, or parameter -1 for a group's.
func parseKey(key string, members, groups int) (parameter int, slot string, ok bool) {
	what, rest, _ := strings.Cut(key, ".")
	number, name, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(number)
	switch {
	case err != nil || i < 0:
		return 0, "", false
	case what == "state":
		return i, name, i < members
	case what == "groups":
		_, known := (&ParameterGroup{}).numbers()[name]
		return -1, name, known && i < groups
	}
	return 0, "", false
}

func slotShape(name string, of Tensor) []int64 {
	if name == stepSlot {
		return []int64{}
	}
	return of.Shape()
}

// Momenta returns SGD's momentum buffers, one a parameter through all groups in
// order, borrowed; nil when it has none. Those of parameters that have had no
// step are zeros. A program that has overwritten them with those of an earlier
// run calls Restore. See StateDict for all that there is to save.
func (o Optimizer) Momenta() []Tensor {
	s := o.open("Momenta")
	var list []Tensor
	for _, g := range s.groups {
		names := s.rule.slots(g)
		if !slices.Contains(names, momentumSlot) {
			continue
		}
		for _, m := range g.members {
			info := m.tensor.info()
			m.prepare(names, &info)
			list = append(list, m.slots[momentumSlot])
		}
	}
	return list
}

// Restore declares that the buffers of Momenta have been overwritten with those
// of an earlier run, so that the next step continues from them.
func (o Optimizer) Restore() {
	for _, m := range o.open("Restore").members() {
		m.unset = false
	}
}
