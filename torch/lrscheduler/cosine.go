package lrscheduler

import "math"

// CosineAnnealingLR falls along half a cosine from the base to EtaMin within TMax
// steps, and from there climbs back as it fell, and so on: Loshchilov & Hutter,
// https://arxiv.org/abs/1608.03983, without their restarts.
type CosineAnnealingLR struct {
	TMax   int
	EtaMin float64 // a learning rate, not a factor
}

// At implements Schedule.
func (s CosineAnnealingLR) At(base float64, step int) float64 {
	return cosine(base, s.EtaMin, float64(step)/float64(s.TMax))
}

// Validate tells what is wrong with the settings.
func (s CosineAnnealingLR) Validate() error {
	r := ranges{schedule: "CosineAnnealingLR"}
	r.check(s.TMax > 0, "TMax", s.TMax, "it must be above 0")
	r.check(s.EtaMin >= 0, "EtaMin", s.EtaMin, "it must not be negative")
	return r.err
}

// CosineAnnealingWarmRestarts falls along half a cosine from the base to EtaMin
// within T0 steps, then begins again with TMult times as many, and so on.
type CosineAnnealingWarmRestarts struct {
	T0     int
	TMult  int     // default 1
	EtaMin float64 // a learning rate, not a factor
}

// At implements Schedule.
func (s CosineAnnealingWarmRestarts) At(base float64, step int) float64 {
	length := s.T0
	if mult := orDefault(s.TMult, 1); mult == 1 {
		step %= length
	} else {
		for step >= length {
			step -= length
			length *= mult
		}
	}
	return cosine(base, s.EtaMin, float64(step)/float64(length))
}

// Validate tells what is wrong with the settings.
func (s CosineAnnealingWarmRestarts) Validate() error {
	r := ranges{schedule: "CosineAnnealingWarmRestarts"}
	r.check(s.T0 > 0, "T0", s.T0, "it must be above 0")
	r.check(s.TMult >= 0, "TMult", s.TMult, "it must be 1 or more, or 0 for 1")
	r.check(s.EtaMin >= 0, "EtaMin", s.EtaMin, "it must not be negative")
	return r.err
}

// cosine goes from one value at progress 0 along half a cosine to another at 1.
func cosine(from, to, progress float64) float64 {
	return to + (from-to)*(1+math.Cos(math.Pi*progress))/2
}
