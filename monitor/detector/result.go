package detector

import (
	"math"
	"time"

	"github.com/torchlit/torchlit/monitor/accuracy"
	"github.com/torchlit/torchlit/monitor/drift"
)

var nan = float32(math.NaN())

// Result is what a window looks like beside the reference. Its JSON is kept in the prediction log and shown by /v1/models/{m}/drift.
type Result struct {
	From    time.Time `json:"from"` // times of the first and the last answer
	Until   time.Time `json:"until"`
	Answers int       `json:"answers"`

	Drifted  bool    `json:"drifted"`
	Detector string  `json:"detector"` // the test with the least p
	P        float64 `json:"p"`        // its p, adjusted for the number of tests
	Tests    []Test  `json:"tests"`

	// Estimate is how often the model is likely to be right, going by its own confidence: see accuracy.Estimate.
	Estimate   accuracy.Estimate `json:"estimated_accuracy"`
	Shift      float64           `json:"shift"` // share of the window that lies where the reference never does; the estimate knows nothing of it
	Confidence float64           `json:"mean_confidence"`
	Strange    *float64          `json:"strange_share"` // of answers that lie further from all classes than 99 in 100 of the reference; null without embeddings

	Classes    []ClassShare `json:"classes"` // most moved first
	Properties []Moved      `json:"properties"`
}

// Test is the verdict of one detector.
type Test struct {
	Detector string  `json:"detector"`
	Score    float64 `json:"score"` // how far: of bbsd the largest KS distance, of mmd the squared discrepancy, of classifier the AUC, of ood the KS distance, of properties the largest PSI, of classes the Jensen-Shannon distance
	P        float64 `json:"p"`     // that chance comes as far, adjusted for the parts
	Adjusted float64 `json:"adjusted_p"`
	Drifted  bool    `json:"drifted"`
	Part     string  `json:"part,omitempty"`    // the class or property that moved furthest
	Skipped  string  `json:"skipped,omitempty"` // why it was not made; then P is 1
}

// ClassShare is how often a class is found likeliest.
type ClassShare struct {
	Label     string  `json:"label"`
	Reference float64 `json:"reference"`
	Window    float64 `json:"window"`
	KS        float64 `json:"ks"` // distance of the class's probabilities from the reference's
}

// Moved is a property of images.
type Moved struct {
	Property  string  `json:"property"`
	Reference float64 `json:"reference"` // median
	Window    float64 `json:"window"`
	PSI       float64 `json:"psi"`
	JS        float64 `json:"js"` // Jensen-Shannon distance
	P         float64 `json:"p"`
	Known     int     `json:"known"` // images of the window of which it is known
}

// conclude adjusts the tests for their number and sums up.
func (r *Result) conclude(alpha float64) {
	var p []float64
	for _, t := range r.Tests {
		if t.Skipped == "" {
			p = append(p, t.P)
		}
	}
	adjusted := drift.Holm(p)
	r.P = 1
	for i := range r.Tests {
		t := &r.Tests[i]
		t.Adjusted = 1
		if t.Skipped != "" {
			continue
		}
		t.Adjusted, adjusted = adjusted[0], adjusted[1:]
		t.Drifted = t.Adjusted <= alpha
		r.Drifted = r.Drifted || t.Drifted
		if t.Adjusted < r.P || r.Detector == "" {
			r.P, r.Detector = t.Adjusted, t.Detector
		}
	}
}

// Test returns the verdict of a detector by its name, nil for one that is not there.
func (r *Result) Test(name string) *Test {
	for i := range r.Tests {
		if r.Tests[i].Detector == name {
			return &r.Tests[i]
		}
	}
	return nil
}
