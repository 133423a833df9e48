// Package lrscheduler changes an optimizer's learning rate as training goes on.
//
// A [Schedule] says what the learning rate of a step is, as a function of the
// number of the step and of the rate that the optimizer was made with: the base.
// [New] makes a [Scheduler] that sets an optimizer's rate by it, at once and after
// each call of Step. Whether a step is a batch or an epoch is up to whoever calls
// Step.
//
//	scheduler, err := lrscheduler.New(opt, lrscheduler.CosineAnnealingLR{TMax: 100})
//	…
//	opt.Step()
//	scheduler.Step()
//
// Each parameter group has its own base, so the groups' rates keep their ratio.
//
// # Resuming
//
// All schedules are functions and hold nothing, so a scheduler's whole state is
// how often Step was called and the bases: see [State]. PyTorch computes some of
// the same curves from the rate of the step before. The results agree but for the
// rounding, of which the functions have less; they differ when a program changes
// the optimizer's rate behind the scheduler's back, which here is overwritten by
// the next Step. [ReduceLROnPlateau], which does depend on what was before, has a
// state of its own.
//
// # Combining
//
// One scheduler drives an optimizer. [SequentialLR] puts schedules one after
// another, such as a warm-up ([LinearLR]) before a cosine.
//
// Nothing here is safe for use by several goroutines at once, but for the
// schedules themselves. The package does not need the native library.
package lrscheduler

import (
	"errors"
	"fmt"
	"slices"
)

// Optimizer is what a scheduler drives: torch.Optimizer is one.
type Optimizer interface {
	LRs() []float64       // the learning rate of each parameter group
	SetLRs(lrs []float64) // as many

	// SetMomentum is called for a MomentumSchedule only. An Adam takes it for its
	// beta1.
	SetMomentum(momentum float64)
}

// Schedule is a curve. It must give the same for the same arguments. One that has
// a method Validate() error is asked by New whether its settings make sense.
type Schedule interface {
	// At returns the learning rate of step 0, 1, 2, … of a group whose own is base.
	At(base float64, step int) float64
}

// MomentumSchedule is a Schedule that changes the momentum, too: [OneCycleLR].
type MomentumSchedule interface {
	Schedule
	// MomentumAt returns the momentum of a step; ok is false when the schedule
	// leaves the momentum alone.
	MomentumAt(step int) (momentum float64, ok bool)
}

// Scheduler drives an optimizer by a schedule.
type Scheduler struct {
	opt      Optimizer
	schedule Schedule
	state    State
}

// State is what a checkpoint must hold for a scheduler of the same schedule to go
// on exactly. It can be written as JSON without loss.
type State struct {
	Step int       `json:"step"` // calls of Step
	Base []float64 `json:"base"` // each group's learning rate at New
}

// New makes a scheduler and sets the learning rate of step 0. The optimizer's
// rates at this time are the bases. It returns an error when a setting of the
// schedule is out of its range.
func New(opt Optimizer, schedule Schedule) (*Scheduler, error) {
	if err := validate(schedule); err != nil {
		return nil, fmt.Errorf("cannot schedule the learning rate: %w", err)
	}
	s := &Scheduler{opt: opt, schedule: schedule, state: State{Base: slices.Clone(opt.LRs())}}
	s.apply()
	return s, nil
}

func validate(schedule Schedule) error {
	if schedule == nil {
		return errors.New("the schedule is nil")
	}
	if v, ok := schedule.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// Step goes on to the next step: it sets the optimizer's learning rate for it.
// Call it after the optimizer's own Step.
func (s *Scheduler) Step() {
	s.state.Step++
	s.apply()
}

func (s *Scheduler) apply() {
	s.opt.SetLRs(s.LRs())
	m, ok := s.schedule.(MomentumSchedule)
	if !ok {
		return
	}
	if momentum, ok := m.MomentumAt(s.state.Step); ok {
		s.opt.SetMomentum(momentum)
	}
}

// LRs tells the learning rate of each group at the current step.
func (s *Scheduler) LRs() []float64 {
	lrs := make([]float64, len(s.state.Base))
	for i, base := range s.state.Base {
		lrs[i] = s.schedule.At(base, s.state.Step)
	}
	return lrs
}

// State returns where the scheduler stands.
func (s *Scheduler) State() State { return State{s.state.Step, slices.Clone(s.state.Base)} }

// Restore goes to where another scheduler of the same schedule stood, and sets
// the optimizer's learning rate. It returns an error, and changes nothing, when
// the state is of another number of groups.
func (s *Scheduler) Restore(state State) error {
	if len(state.Base) != len(s.state.Base) {
		return fmt.Errorf("cannot restore the scheduler: the state is of %d parameter groups, the optimizer has %d; add the same groups before", len(state.Base), len(s.state.Base))
	}
	if state.Step < 0 {
		return fmt.Errorf("cannot restore the scheduler: the state's step is %d; it must not be negative", state.Step)
	}
	s.state = State{state.Step, slices.Clone(state.Base)}
	s.apply()
	return nil
}

// ranges collects the first setting that is out of its range.
type ranges struct {
	schedule string
	err      error
}

func (r *ranges) check(ok bool, name string, value any, rule string) {
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%s.%s is %v; %s", r.schedule, name, value, rule)
	}
}

// orDefault replaces the zero of a setting that cannot be zero.
func orDefault[T int | float64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}
