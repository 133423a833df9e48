// Package track records the figures of a training run.
package track

import "errors"

// Tracker takes the figures of one run. It is for one goroutine.
type Tracker interface {
	// Log records metrics at a training step. Steps do not go backwards; one
	// step may be logged in several calls. It keeps no reference to metrics.
	Log(step int64, metrics map[string]float64) error
	// Close writes what is still held back and ends the run.
	Close() error
}

// Multi returns a Tracker that hands everything to each of trackers, in order.
// One that fails does not keep the figures from the others.
func Multi(trackers ...Tracker) Tracker { return multi(trackers) }

type multi []Tracker

func (m multi) Log(step int64, metrics map[string]float64) error {
	var errs []error
	for _, t := range m {
		errs = append(errs, t.Log(step, metrics))
	}
	return errors.Join(errs...)
}

func (m multi) Close() error {
	var errs []error
	for _, t := range m {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}
