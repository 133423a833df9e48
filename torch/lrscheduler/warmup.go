package lrscheduler

// LinearLR goes in a straight line from StartFactor of the base at step 0 to
// EndFactor of it at step TotalIters, and stays there. With EndFactor 1 it is a
// warm-up, with StartFactor 1 a decay. No factor has a default.
type LinearLR struct {
	StartFactor, EndFactor float64
	TotalIters             int
}

// At implements Schedule.
func (s LinearLR) At(base float64, step int) float64 {
	progress := float64(min(step, s.TotalIters)) / float64(s.TotalIters)
	return base * (s.StartFactor + (s.EndFactor-s.StartFactor)*progress)
}

// Validate tells what is wrong with the settings.
func (s LinearLR) Validate() error {
	r := ranges{schedule: "LinearLR"}
	r.check(s.StartFactor > 0 && s.StartFactor <= 1, "StartFactor", s.StartFactor, "it must be above 0 and at most 1")
	r.check(s.EndFactor >= 0 && s.EndFactor <= 1, "EndFactor", s.EndFactor, "it must be between 0 and 1")
	r.check(s.TotalIters > 0, "TotalIters", s.TotalIters, "it must be above 0")
	return r.err
}

// ConstantLR holds the learning rate at Factor of the base until step TotalIters,
// from which on it is the base. Factor has no default.
type ConstantLR struct {
	Factor     float64
	TotalIters int
}

// At implements Schedule.
func (s ConstantLR) At(base float64, step int) float64 {
	if step < s.TotalIters {
		return base * s.Factor
	}
	return base
}

// Validate tells what is wrong with the settings.
func (s ConstantLR) Validate() error {
	r := ranges{schedule: "ConstantLR"}
	r.check(s.Factor >= 0 && s.Factor <= 1, "Factor", s.Factor, "it must be between 0 and 1")
	r.check(s.TotalIters >= 0, "TotalIters", s.TotalIters, "it must not be negative")
	return r.err
}

// SequentialLR runs Schedules one after another, each from its own step 0 and the
// optimizer's base. Schedule i+1 begins at step Milestones[i].
type SequentialLR struct {
	Schedules  []Schedule
	Milestones []int // one fewer than the schedules, rising
}

// At implements Schedule.
func (s SequentialLR) At(base float64, step int) float64 {
	schedule, start := s.running(step)
	return schedule.At(base, step-start)
}

// MomentumAt implements MomentumSchedule for the one that runs at that step.
func (s SequentialLR) MomentumAt(step int) (float64, bool) {
	schedule, start := s.running(step)
	if m, ok := schedule.(MomentumSchedule); ok {
		return m.MomentumAt(step - start)
	}
	return 0, false
}

func (s SequentialLR) running(step int) (schedule Schedule, start int) {
	i := passed(s.Milestones, step)
	if i > 0 {
		start = s.Milestones[i-1]
	}
	return s.Schedules[i], start
}

// Validate tells what is wrong with the settings.
func (s SequentialLR) Validate() error {
	r := ranges{schedule: "SequentialLR"}
	r.check(len(s.Schedules) > 0, "Schedules", s.Schedules, "there must be one at least")
	r.check(len(s.Milestones) == len(s.Schedules)-1, "Milestones", s.Milestones, "there must be one fewer than schedules")
	for i, m := range s.Milestones {
		r.check(m > 0 && (i == 0 || m > s.Milestones[i-1]), "Milestones", s.Milestones, "each must be above 0 and above the one before")
	}
	if r.err != nil {
		return r.err
	}
	for _, schedule := range s.Schedules {
		if err := validate(schedule); err != nil {
			return err
		}
	}
	return nil
}
