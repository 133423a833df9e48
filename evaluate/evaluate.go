// Package evaluate measures a classifier: what it gets right, what it confuses
// with what, and whether its probabilities mean what they say.
package evaluate

import (
	"fmt"
	"math"
)

// calibrationBins is the number of equally wide bins of confidence in which the
// calibration error is measured; 15 is what the literature since Guo et al.,
// https://arxiv.org/abs/1706.04599, compares with.
const calibrationBins = 15

// Tally adds up answers. It is for one goroutine.
type Tally struct {
	labels    []string
	confusion [][]int // [true label][predicted label]
	bins      [calibrationBins]bin
	topK      int // answers whose truth is among the five most probable
	n         int
	logLoss   float64
}

type bin struct {
	n, correct int
	confidence float64 // sum
}

// NewTally makes a Tally for a classifier of these labels.
func NewTally(labels []string) *Tally {
	t := &Tally{labels: labels, confusion: make([][]int, len(labels))}
	for i := range t.confusion {
		t.confusion[i] = make([]int, len(labels))
	}
	return t
}

// Add counts the answer for one image: its true label and the probability of
// each label. It returns whether the most probable one was right.
func (t *Tally) Add(truth int, probabilities []float32) bool {
	if truth < 0 || truth >= len(t.labels) || len(probabilities) != len(t.labels) {
		panic(fmt.Sprintf("BUG: label %d and %d probabilities for %d labels", truth, len(probabilities), len(t.labels)))
	}
	best, rank := 0, 0
	for i, p := range probabilities {
		if p > probabilities[best] {
			best = i
		}
		if p > probabilities[truth] {
			rank++
		}
	}
	t.n++
	t.confusion[truth][best]++
	t.logLoss -= math.Log(math.Max(float64(probabilities[truth]), 1e-12))
	if rank < 5 {
		t.topK++
	}
	confidence := float64(probabilities[best])
	b := &t.bins[min(int(confidence*calibrationBins), calibrationBins-1)]
	b.n++
	b.confidence += confidence
	if best == truth {
		b.correct++
	}
	return best == truth
}

// Report is what a Tally comes to. Its JSON is what torchlit eval --json prints.
type Report struct {
	Accuracy     float64  `json:"accuracy"`       // share of right answers
	Top5Accuracy float64  `json:"top_5_accuracy"` // share whose truth is among the five most probable
	N            int      `json:"n"`              // images
	LogLoss      float64  `json:"log_loss"`       // mean, natural logarithm
	ECE          float64  `json:"ece"`            // expected calibration error, 15 bins
	PerClass     []Class  `json:"per_class"`
	Labels       []string `json:"labels"`
	Confusion    [][]int  `json:"confusion"` // [true label][predicted label]
}

// Class is how one class fares. A ratio whose divisor is zero is zero.
type Class struct {
	Label     string  `json:"label"`
	N         int     `json:"n"`         // images of the class
	Precision float64 `json:"precision"` // of the answers that name it, the share that is right
	Recall    float64 `json:"recall"`    // of its images, the share that is recognised
	F1        float64 `json:"f1"`        // the harmonic mean of the two
}

// Report sums up.
func (t *Tally) Report() Report {
	r := Report{N: t.n, Labels: t.labels, Confusion: t.confusion}
	correct := 0
	for i, label := range t.labels {
		c := Class{Label: label}
		predicted := 0
		for j := range t.labels {
			c.N += t.confusion[i][j]
			predicted += t.confusion[j][i]
		}
		hits := t.confusion[i][i]
		correct += hits
		c.Precision, c.Recall = ratio(hits, predicted), ratio(hits, c.N)
		c.F1 = ratio(2*hits, predicted+c.N)
		r.PerClass = append(r.PerClass, c)
	}
	r.Accuracy = ratio(correct, t.n)
	r.Top5Accuracy = ratio(t.topK, t.n)
	for _, b := range t.bins {
		if b.n > 0 {
			r.ECE += math.Abs(b.confidence-float64(b.correct)) / float64(t.n)
		}
	}
	if t.n > 0 {
		r.LogLoss = t.logLoss / float64(t.n)
	}
	return r
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
