package lrscheduler

import "math"

// OneCycleLR climbs from a small learning rate to a large one and falls to nearly
// nothing, once in a whole run, while the momentum goes the other way: Smith &
// Topin, https://arxiv.org/abs/1708.07120. Step is called after every batch. From
// the last step on the learning rate stays as it is then.
//
// The optimizer's momentum must be one that may change: SGD's or RMSProp's, or
// Adam's or AdamW's, where it is beta1. It is set to the same for all groups.
type OneCycleLR struct {
	TotalSteps int // of the run

	// MaxLR is the peak of all groups; 0 takes for the peak of each group its own
	// base, so that groups keep their ratio.
	MaxLR float64

	PctStart       float64 // share of the run until the peak; default 0.3
	DivFactor      float64 // it begins at the peak divided by this; default 25
	FinalDivFactor float64 // it ends at its begin divided by this; default 1e4

	Linear     bool // go in straight lines, not along cosines
	ThreePhase bool // fall as fast as it climbed, to the begin, and then to the end

	KeepMomentum bool    // leave the momentum alone
	MaxMomentum  float64 // at the begin and the end; default 0.95
	BaseMomentum float64 // at the peak; default 0.85
}

// At implements Schedule.
func (s OneCycleLR) At(base float64, step int) float64 {
	peak := orDefault(s.MaxLR, base)
	begin := peak / orDefault(s.DivFactor, 25)
	return s.between(step, begin, peak, begin/orDefault(s.FinalDivFactor, 1e4))
}

// MomentumAt implements MomentumSchedule.
func (s OneCycleLR) MomentumAt(step int) (float64, bool) {
	most := orDefault(s.MaxMomentum, 0.95)
	return s.between(step, most, orDefault(s.BaseMomentum, 0.85), most), !s.KeepMomentum
}

// between goes from begin over peak to end, with three phases over begin again.
// The ends of the phases need not be whole steps.
func (s OneCycleLR) between(step int, begin, peak, end float64) float64 {
	last := float64(s.TotalSteps - 1)
	top := orDefault(s.PctStart, 0.3)*float64(s.TotalSteps) - 1
	at := math.Min(float64(step), last)
	switch {
	case at <= top:
		return s.anneal(begin, peak, at/top)
	case !s.ThreePhase:
		return s.anneal(peak, end, (at-top)/(last-top))
	case at <= 2*top:
		return s.anneal(peak, begin, (at-top)/top)
	}
	return s.anneal(begin, end, (at-2*top)/(last-2*top))
}

func (s OneCycleLR) anneal(from, to, progress float64) float64 {
	if math.IsNaN(progress) { // a phase of one step
		progress = 1
	}
	if s.Linear {
		return from + (to-from)*progress
	}
	return cosine(from, to, progress)
}

// Validate tells what is wrong with the settings.
func (s OneCycleLR) Validate() error {
	r := ranges{schedule: "OneCycleLR"}
	r.check(s.TotalSteps > 0, "TotalSteps", s.TotalSteps, "it must be above 0")
	r.check(s.MaxLR >= 0, "MaxLR", s.MaxLR, "it must be above 0, or 0 for the optimizer's own")
	limit := 1.0
	if s.ThreePhase {
		limit = 0.5
	}
	r.check(s.PctStart >= 0 && s.PctStart <= limit, "PctStart", s.PctStart, "it must be above 0 and at most 1, or 0.5 with three phases")
	r.check(s.DivFactor >= 0, "DivFactor", s.DivFactor, "it must be above 0, or 0 for 25")
	r.check(s.FinalDivFactor >= 0, "FinalDivFactor", s.FinalDivFactor, "it must be above 0, or 0 for 10000")
	r.check(s.MaxMomentum >= 0 && s.MaxMomentum < 1, "MaxMomentum", s.MaxMomentum, "it must be below 1, or 0 for 0.95")
	r.check(s.BaseMomentum >= 0 && s.BaseMomentum < 1, "BaseMomentum", s.BaseMomentum, "it must be below 1, or 0 for 0.85")
	return r.err
}
