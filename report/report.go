// Package report shows people what a classifier is worth: a page with figures for
// one evaluation, curves of a training run, and a model's card.
//
// [Write] makes the report of an evaluation: index.html, which needs no other file
// and no network, figures/ as PNG and SVG, and tables for other programs.
// [TrainingCurves], [LRFinder] and [BatchSizes] draw what happened in training.
// [Card] is the README.md of a model folder.
//
// All figures share one theme: colours that colour-blind readers tell apart, from
// the palette of the upload page. Its functions may be called by many goroutines
// at once.
package report

import (
	"time"

	"github.com/torchlit/torchlit/evaluate"
)

// Evaluation is everything that the report of an evaluation shows.
type Evaluation struct {
	Model   string    // its name
	Data    string    // what it was measured on, for people
	Created time.Time // when

	// Answers are what the report is made from.
	Answers evaluate.Answers
	// Files name the images, in the order of Answers; nil where they have no names.
	Files []string
	// Temperature is what the answers were given with: 1 when not calibrated.
	Temperature float64
	// Thumbnail returns a small picture of image i, encoded as JPEG or PNG, for the
	// page: about 160 pixels wide. nil for no pictures.
	Thumbnail func(i int) ([]byte, error)
	// Mistakes is how many of the worst mistakes are shown; 0 means 24.
	Mistakes int

	// Facts are shown as they are, in order: about the model, about the images'
	// preparation, about the versions of what ran.
	Facts []Facts
	// Command repeats the evaluation, one argument each.
	Command []string
}

// Facts is a titled list.
type Facts struct {
	Title string
	Rows  []Fact
}

// Fact is one line of it.
type Fact struct{ Name, Value string }

const defaultMistakes = 24

// measured is an evaluation with its figures.
type measured struct {
	Evaluation
	report        evaluate.Report
	roc, pr       evaluate.CurveSet
	recalibration evaluate.Recalibration
	coverage      []evaluate.Coverage
	mistakes      []evaluate.Mistake
}

func measure(e Evaluation) measured {
	if e.Temperature == 0 {
		e.Temperature = 1
	}
	if e.Mistakes == 0 {
		e.Mistakes = defaultMistakes
	}
	m := measured{Evaluation: e, report: evaluate.Measure(e.Answers)}
	m.roc, m.pr = evaluate.Curves(e.Answers)
	m.recalibration = evaluate.Recalibrate(e.Answers, e.Temperature)
	m.coverage = evaluate.CoverageCurve(e.Answers)
	m.mistakes = evaluate.WorstMistakes(e.Answers, e.Mistakes)
	return m
}
