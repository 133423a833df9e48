package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/evaluate"
)

// tiles are the headline figures.
func (m measured) tiles() []tile {
	r := m.report
	tiles := []tile{{
		Name: "Accuracy", Value: percent(r.Accuracy), First: true,
		Note: fmt.Sprintf("%s to %s with 95 %% confidence", share(r.AccuracyInterval[0]), percent1(r.AccuracyInterval[1])),
	}}
	if len(r.Labels) > 5 {
		tiles = append(tiles, tile{Name: "Top-5 accuracy", Value: percent(r.Top5Accuracy), Note: "the truth is among five"})
	}
	return append(tiles,
		tile{Name: "Macro F1", Value: percent(r.Macro.F1), Note: "mean of the classes"},
		tile{Name: "ROC AUC", Value: area(m.roc.Macro), Note: "each class against the rest, mean"},
		tile{Name: "Log loss", Value: fmt.Sprintf("%.4f", r.LogLoss), Note: fmt.Sprintf("%.4f after recalibration", m.recalibration.Refitted.LogLoss)},
		tile{Name: "Calibration error", Value: percent(r.ECE), Note: percent(m.recalibration.Refitted.ECE) + " after recalibration"},
	)
}

// findings say in words what the figures show.
func (m measured) findings() []string {
	if m.report.N == 0 {
		return []string{"There are no images, so there is nothing to see."}
	}
	var out []string
	for _, one := range []string{
		m.findConfusion(), m.findClasses(), m.findCalibration(), m.findCoverage(), m.findEmpty(),
	} {
		if one != "" {
			out = append(out, one)
		}
	}
	return out
}

func (m measured) findConfusion() string {
	r := m.report
	if len(r.Confused) == 0 {
		return "It makes no mistake on these images."
	}
	p := r.Confused[0]
	return fmt.Sprintf("Its most frequent mistake is to take %s for %s: %s of %s.",
		r.Labels[p.Truth], r.Labels[p.Predicted], count(p.N), images(r.PerClass[p.Truth].N))
}

func (m measured) findClasses() string {
	classes := slices.DeleteFunc(slices.Clone(m.report.PerClass), func(c evaluate.Class) bool { return c.N == 0 })
	if len(classes) < 3 {
		return ""
	}
	slices.SortStableFunc(classes, func(a, b evaluate.Class) int { return cmp.Compare(a.F1, b.F1) })
	worst, best := classes[0], classes[len(classes)-1]
	return fmt.Sprintf("It knows %s best (F1 %s %%) and %s worst (%s %%).", best.Label, share(best.F1), worst.Label, share(worst.F1))
}

// findCalibration compares confidence and accuracy. It speaks of a difference only
// where the images are enough to see one.
func (m measured) findCalibration() string {
	c := m.recalibration.AsServed
	manner := "as sure as it should be"
	switch low, high := m.report.AccuracyInterval[0], m.report.AccuracyInterval[1]; {
	case c.Confidence > high:
		manner = "too sure of itself"
	case c.Confidence < low:
		manner = "less sure than it could be"
	}
	out := fmt.Sprintf("It is %s: mean confidence %s, accuracy %s.", manner, percent(c.Confidence), percent(c.Accuracy))
	after := m.recalibration.Refitted.ECE
	if after < 0.9*c.ECE && m.report.N >= 100 {
		out += fmt.Sprintf(" A temperature of %s would take the calibration error from %s to %s.",
			number(m.recalibration.Temperature), percent(c.ECE), percent(after))
	}
	return out
}

// findCoverage says what a confidence threshold would buy: where the answers
// given make half the mistakes.
func (m measured) findCoverage() string {
	all := 1 - m.report.Accuracy
	if all == 0 {
		return ""
	}
	best := evaluate.Coverage{}
	for _, c := range m.coverage {
		if 1-c.Accuracy <= all/2 && c.Answered > best.Answered {
			best = c
		}
	}
	if best.Answered < 0.2 || best.Answered > 0.99 {
		return ""
	}
	return fmt.Sprintf("If it answered only from a confidence of %s on, it would answer %s of the images, and %s of these answers would be right.",
		percent1(best.Threshold), percent1(best.Answered), percent1(best.Accuracy))
}

// findEmpty names the classes without images.
func (m measured) findEmpty() string {
	var empty []string
	for _, c := range m.report.PerClass {
		if c.N == 0 {
			empty = append(empty, c.Label)
		}
	}
	switch {
	case len(empty) == 0:
		return ""
	case len(empty) == 1:
		return fmt.Sprintf("One class has no images here, so nothing is known of how it is recognised: %s.", empty[0])
	}
	shown, more := empty, ""
	if len(empty) > 8 {
		shown, more = empty[:8], " …"
	}
	return fmt.Sprintf("%s classes have no images here, so nothing is known of how they are recognised: %s%s.",
		count(len(empty)), strings.Join(shown, ", "), more)
}

// dataFacts describe the images.
func (m measured) dataFacts() []Fact {
	var sizes []int
	for _, c := range m.report.PerClass {
		sizes = append(sizes, c.N)
	}
	if len(sizes) == 0 {
		return nil
	}
	slices.Sort(sizes)
	with := len(sizes) - slices.IndexFunc(append(sizes, 1), func(n int) bool { return n > 0 })
	return []Fact{
		{"from", m.Data},
		{"images", count(m.report.N)},
		{"classes", count(len(sizes))},
		{"with images", count(max(0, with))},
		{"smallest class", count(sizes[0])},
		{"median class", count(sizes[len(sizes)/2])},
		{"largest class", count(sizes[len(sizes)-1])},
	}
}

// nthLargest is the size of the nth largest class.
func nthLargest(classes []evaluate.Class, n int) int {
	var sizes []int
	for _, c := range classes {
		sizes = append(sizes, c.N)
	}
	slices.Sort(sizes)
	return sizes[len(sizes)-n]
}
