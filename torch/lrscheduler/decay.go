package lrscheduler

import (
	"math"
	"slices"
)

// StepLR multiplies the learning rate by Gamma every StepSize steps.
type StepLR struct {
	StepSize int
	Gamma    float64 // default 0.1
}

// At implements Schedule.
func (s StepLR) At(base float64, step int) float64 {
	return base * math.Pow(orDefault(s.Gamma, 0.1), float64(step/s.StepSize))
}

// Validate tells what is wrong with the settings.
func (s StepLR) Validate() error {
	r := ranges{schedule: "StepLR"}
	r.check(s.StepSize > 0, "StepSize", s.StepSize, "it must be above 0")
	r.check(s.Gamma >= 0, "Gamma", s.Gamma, "it must be above 0, or 0 for 0.1")
	return r.err
}

// MultiStepLR multiplies the learning rate by Gamma at each of the Milestones,
// which are steps in rising order. One that stands twice counts twice.
type MultiStepLR struct {
	Milestones []int
	Gamma      float64 // default 0.1
}

// At implements Schedule.
func (s MultiStepLR) At(base float64, step int) float64 {
	return base * math.Pow(orDefault(s.Gamma, 0.1), float64(passed(s.Milestones, step)))
}

// Validate tells what is wrong with the settings.
func (s MultiStepLR) Validate() error {
	r := ranges{schedule: "MultiStepLR"}
	r.check(slices.IsSorted(s.Milestones), "Milestones", s.Milestones, "they must be in rising order")
	r.check(s.Gamma >= 0, "Gamma", s.Gamma, "it must be above 0, or 0 for 0.1")
	return r.err
}

// passed tells how many of the milestones are at step or before.
func passed(milestones []int, step int) int {
	n, _ := slices.BinarySearch(milestones, step+1)
	return n
}

// ExponentialLR multiplies the learning rate by Gamma at every step.
type ExponentialLR struct {
	Gamma float64
}

// At implements Schedule.
func (s ExponentialLR) At(base float64, step int) float64 {
	return base * math.Pow(s.Gamma, float64(step))
}

// Validate tells what is wrong with the settings.
func (s ExponentialLR) Validate() error {
	r := ranges{schedule: "ExponentialLR"}
	r.check(s.Gamma > 0, "Gamma", s.Gamma, "it must be above 0")
	return r.err
}

// LambdaLR multiplies the base by what the function gives for the step.
type LambdaLR func(step int) float64

// At implements Schedule.
func (f LambdaLR) At(base float64, step int) float64 { return base * f(step) }
