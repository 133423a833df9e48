package lrscheduler

import (
	"fmt"
	"math"
	"slices"
)

// ReduceLROnPlateau multiplies the learning rate by a factor when a metric, such
// as the loss on the validation set, has got no better for a while.
//
// It has a memory, so it is no [Schedule]: it changes the rates that the optimizer
// has, and its state holds more than a count.
type ReduceLROnPlateau struct {
	opt     Optimizer
	options PlateauOptions
	state   PlateauState
}

// PlateauOptions are the settings of a [ReduceLROnPlateau].
type PlateauOptions struct {
	Max bool // the metric shall grow, as an accuracy; otherwise fall, as a loss

	// Patience is how many steps in a row without an improvement are borne; 0
	// bears none. PyTorch's default is 10.
	Patience int
	// Threshold is by what share of the best so far a metric must be better to
	// count, or by how much with AbsoluteThreshold; 0 counts any improvement.
	// PyTorch's default is 1e-4.
	Threshold         float64
	AbsoluteThreshold bool

	Factor   float64 // default 0.1
	Cooldown int     // steps after a reduction in which nothing is counted
	MinLR    float64 // no group's rate is reduced below
	Eps      float64 // a reduction smaller than this is not made; default 1e-8
}

// PlateauState is what a checkpoint must hold to go on exactly.
type PlateauState struct {
	Steps    int       `json:"steps"` // calls of Step
	Best     *float64  `json:"best"`  // nil before the first number
	Bad      int       `json:"bad"`   // steps without an improvement
	Cooldown int       `json:"cooldown"`
	LRs      []float64 `json:"lrs"`
}

// NewReduceLROnPlateau makes a scheduler, or returns an error when a setting is out
// of its range. The learning rate stays as it is until a Step.
func NewReduceLROnPlateau(opt Optimizer, options PlateauOptions) (*ReduceLROnPlateau, error) {
	options.Factor = orDefault(options.Factor, 0.1)
	options.Eps = orDefault(options.Eps, 1e-8)
	r := ranges{schedule: "ReduceLROnPlateau"}
	r.check(options.Factor > 0 && options.Factor < 1, "Factor", options.Factor, "it must be above 0 and below 1")
	r.check(options.Patience >= 0, "Patience", options.Patience, "it must not be negative")
	r.check(options.Threshold >= 0, "Threshold", options.Threshold, "it must not be negative")
	r.check(options.Cooldown >= 0, "Cooldown", options.Cooldown, "it must not be negative")
	r.check(options.MinLR >= 0, "MinLR", options.MinLR, "it must not be negative")
	r.check(options.Eps > 0, "Eps", options.Eps, "it must not be negative")
	if r.err != nil {
		return nil, fmt.Errorf("cannot schedule the learning rate: %w", r.err)
	}
	return &ReduceLROnPlateau{opt: opt, options: options}, nil
}

// Step takes the metric of the epoch that has ended, and tells whether it reduced
// the learning rate. A metric that is no number counts as no improvement.
func (p *ReduceLROnPlateau) Step(metric float64) (reduced bool) {
	s := &p.state
	s.Steps++
	if p.better(metric) {
		s.Best, s.Bad = &metric, 0
	} else {
		s.Bad++
	}
	if s.Cooldown > 0 {
		s.Cooldown--
		s.Bad = 0
	}
	if s.Bad > p.options.Patience {
		reduced = p.reduce()
		s.Cooldown, s.Bad = p.options.Cooldown, 0
	}
	return reduced
}

func (p *ReduceLROnPlateau) better(metric float64) bool {
	sign := 1.0 // of a change for the worse
	if p.options.Max {
		sign = -1
	}
	if p.state.Best == nil {
		return !math.IsNaN(metric) && !math.IsInf(metric, int(sign))
	}
	best := *p.state.Best
	if p.options.AbsoluteThreshold {
		best -= sign * p.options.Threshold
	} else {
		best *= 1 - sign*p.options.Threshold
	}
	if p.options.Max {
		return metric > best
	}
	return metric < best
}

func (p *ReduceLROnPlateau) reduce() (reduced bool) {
	lrs := p.opt.LRs()
	for i, old := range lrs {
		lr := math.Max(old*p.options.Factor, p.options.MinLR)
		if old-lr > p.options.Eps {
			lrs[i], reduced = lr, true
		}
	}
	p.opt.SetLRs(lrs)
	return reduced
}

// State returns where the scheduler stands, and the optimizer's learning rates.
func (p *ReduceLROnPlateau) State() PlateauState {
	s := p.state
	s.LRs = slices.Clone(p.opt.LRs())
	return s
}

// Restore goes to where another scheduler stood, and sets the optimizer's learning
// rates. It returns an error, and changes nothing, when the state is of another
// number of groups.
func (p *ReduceLROnPlateau) Restore(state PlateauState) error {
	if want := len(p.opt.LRs()); len(state.LRs) != want {
		return fmt.Errorf("cannot restore the scheduler: the state is of %d parameter groups, the optimizer has %d; add the same groups before", len(state.LRs), want)
	}
	p.opt.SetLRs(slices.Clone(state.LRs))
	p.state = state
	p.state.LRs = nil
	return nil
}
