// Package track records the figures, pictures and files of a training run, for
// whoever wants to see them: in a table, in TensorBoard, on a tracking server.
//
// A [Tracker] takes them. [CSV] is the one that every run has; the others are in
// the folders beside it, and package trackers opens those that a configuration
// names. What goes over a network is behind a [Spool], which never makes a run
// wait.
package track

import (
	"errors"
	"fmt"
)

// Run describes the run that a tracker records.
type Run struct {
	Name string
	Dir  string // the run folder; it exists
	// Config is the run's settings, nested as composed from YAML: maps with string
	// keys, slices, strings, float64, int, bool and nil. Trackers do not change it.
	Config    map[string]any
	Overrides []string // of the command line
	Tags      []string
	Resumed   bool  // the run goes on with an earlier one in Dir
	Step      int64 // the step it goes on from
	// Warn is told of a tracker's trouble, in one sentence. It may be called from any
	// goroutine, and may be nil.
	Warn func(string)
}

// Warnf hands a sentence to r.Warn, if there is one.
func (r *Run) Warnf(format string, args ...any) {
	if r.Warn != nil {
		r.Warn(fmt.Sprintf(format, args...))
	}
}

// Tracker takes what one run has to show. It is for one goroutine, unless it says
// otherwise. It keeps no reference to what it is handed. What a tracker has no
// place for it takes and drops.
type Tracker interface {
	// Log records metrics at a training step. Steps do not go backwards; one
	// step may be logged in several calls.
	Log(step int64, metrics map[string]float64) error
	// Histogram records how values are distributed at a training step.
	Histogram(step int64, name string, values []float32) error
	// Image records a picture, an encoded PNG, at a training step.
	Image(step int64, name string, png []byte, caption string) error
	// Artifact records a file, or a folder with all below it. The kind is one of
	// "model", "dataset", "report", or another word.
	Artifact(name, kind, path string) error
	// Finish writes what is still held back, ends the run with the figures it ended
	// with, and closes the tracker, which takes nothing from there on.
	Finish(status Status, summary map[string]float64) error
}

// Status is how a run ended.
type Status string

// The ways in which a run ends.
const (
	StatusFinished    Status = "finished"
	StatusFailed      Status = "failed"
	StatusInterrupted Status = "interrupted" // by a signal; it can be resumed
)

// Multi returns a Tracker that hands everything to each of trackers, in order.
// One that fails does not keep the figures from the others.
func Multi(trackers ...Tracker) Tracker { return multi(trackers) }

type multi []Tracker

func (m multi) each(do func(Tracker) error) error {
	var errs []error
	for _, t := range m {
		errs = append(errs, do(t))
	}
	return errors.Join(errs...)
}

func (m multi) Log(step int64, metrics map[string]float64) error {
	return m.each(func(t Tracker) error { return t.Log(step, metrics) })
}

func (m multi) Histogram(step int64, name string, values []float32) error {
	return m.each(func(t Tracker) error { return t.Histogram(step, name, values) })
}

func (m multi) Image(step int64, name string, png []byte, caption string) error {
	return m.each(func(t Tracker) error { return t.Image(step, name, png, caption) })
}

func (m multi) Artifact(name, kind, path string) error {
	return m.each(func(t Tracker) error { return t.Artifact(name, kind, path) })
}

func (m multi) Finish(status Status, summary map[string]float64) error {
	return m.each(func(t Tracker) error { return t.Finish(status, summary) })
}
