// Package evaluate measures a classifier: what it gets right, what it confuses
// with what, and whether its probabilities mean what they say.
//
// [Answers] holds what a classifier said about labelled images. [Measure] adds
// them up to a [Report]; [Curves] ranks them for ROC and precision-recall curves;
// [Recalibrate] fits the temperature of the softmax. A [Tally] comes to the same
// Report without keeping the answers.
//
// Where scikit-learn has a figure of the same name, both agree, also about
// classes that never occur.
package evaluate

import (
	"fmt"
	"math"
	"slices"
)

// Answers are a classifier's answers to labelled images, one row an image.
type Answers struct {
	Labels        []string    // the names of the classes
	Truth         []int       // the class of each image, an index of Labels
	Probabilities [][]float32 // [image][class]; each row sums to one
}

// Report is what answers come to. Its JSON is what torchlit eval --json prints.
type Report struct {
	Accuracy         float64    `json:"accuracy"`          // share of right answers
	AccuracyInterval [2]float64 `json:"accuracy_interval"` // 95 %, Wilson's
	BalancedAccuracy float64    `json:"balanced_accuracy"` // mean recall of the classes that have images
	Top5Accuracy     float64    `json:"top_5_accuracy"`    // share whose truth is among the five most probable
	N                int        `json:"n"`                 // images
	LogLoss          float64    `json:"log_loss"`          // mean, natural logarithm
	BrierScore       float64    `json:"brier_score"`       // mean squared distance to the truth, 0 to 2
	ECE              float64    `json:"ece"`               // expected calibration error, 15 bins of equal width
	AdaptiveECE      float64    `json:"adaptive_ece"`      // the same with 15 bins of equally many images
	Macro            Average    `json:"macro"`             // mean over the classes that occur
	Weighted         Average    `json:"weighted"`          // the same, each class by its images
	PerClass         []Class    `json:"per_class"`
	Labels           []string   `json:"labels"`

	// Confusion is [true label][predicted label]; nil above denseLimit classes,
	// where Confused still has the pairs that matter.
	Confusion [][]int `json:"confusion,omitempty"`
	// Confused lists which class was taken for which other, most often first.
	Confused []Pair `json:"-"`
	// Calibration has the bins behind ECE.
	Calibration Calibration `json:"-"`
}

// denseLimit is the number of classes up to which a whole confusion matrix is
// made: it takes its square in memory, of which nearly all is zero.
const denseLimit = 2000

// Class is how one class fares. A ratio whose divisor is zero is zero.
type Class struct {
	Label     string  `json:"label"`
	N         int     `json:"n"`         // images of the class
	Predicted int     `json:"predicted"` // answers that name it
	Precision float64 `json:"precision"` // of the answers that name it, the share that is right
	Recall    float64 `json:"recall"`    // of its images, the share that is recognised
	F1        float64 `json:"f1"`        // the harmonic mean of the two
}

// Average is a mean over classes.
type Average struct {
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

// Pair is one class taken for another.
type Pair struct {
	Truth, Predicted int // indices of labels
	N                int // images
}

// Measure adds up.
func Measure(a Answers) Report {
	t := NewTally(a.Labels)
	for i, p := range a.Probabilities {
		t.Add(a.Truth[i], p)
	}
	return t.Report()
}

// Tally adds up answers. It is for one goroutine.
type Tally struct {
	labels    []string
	confusion map[Pair]int // N unused in the key
	said      said
	topK      int // answers whose truth is among the five most probable
}

// NewTally makes a Tally for a classifier of these labels.
func NewTally(labels []string) *Tally {
	return &Tally{labels: labels, confusion: map[Pair]int{}}
}

// Add counts the answer for one image: its true label and the probability of
// each label. It returns whether the most probable one was right; of several
// that are equally probable, the first counts.
func (t *Tally) Add(truth int, probabilities []float32) bool {
	if truth < 0 || truth >= len(t.labels) || len(probabilities) != len(t.labels) {
		panic(fmt.Sprintf("BUG: label %d and %d probabilities for %d labels", truth, len(probabilities), len(t.labels)))
	}
	rank := 0
	for _, p := range probabilities {
		if p > probabilities[truth] {
			rank++
		}
	}
	if rank < 5 {
		t.topK++
	}
	best := Best(probabilities)
	t.confusion[Pair{Truth: truth, Predicted: best}]++
	t.said.add(truth, best, probabilities)
	return best == truth
}

// Report sums up.
func (t *Tally) Report() Report {
	r := Report{N: t.said.len(), Labels: t.labels, Calibration: t.said.calibration()}
	r.LogLoss, r.BrierScore = r.Calibration.LogLoss, r.Calibration.BrierScore
	r.ECE, r.AdaptiveECE = r.Calibration.ECE, r.Calibration.AdaptiveECE
	r.Top5Accuracy = ratio(t.topK, r.N)
	hits := make([]int, len(t.labels))
	r.PerClass = make([]Class, len(t.labels))
	correct := 0
	for pair, n := range t.confusion {
		r.PerClass[pair.Truth].N += n
		r.PerClass[pair.Predicted].Predicted += n
		if pair.Truth == pair.Predicted {
			hits[pair.Truth] = n
			correct += n
			continue
		}
		r.Confused = append(r.Confused, Pair{pair.Truth, pair.Predicted, n})
	}
	slices.SortFunc(r.Confused, func(a, b Pair) int {
		return compareInts(b.N, a.N, a.Truth, b.Truth, a.Predicted, b.Predicted)
	})
	for i := range r.PerClass {
		c := &r.PerClass[i]
		c.Label = t.labels[i]
		c.Precision, c.Recall = ratio(hits[i], c.Predicted), ratio(hits[i], c.N)
		c.F1 = ratio(2*hits[i], c.Predicted+c.N)
	}
	r.Accuracy = ratio(correct, r.N)
	r.AccuracyInterval[0], r.AccuracyInterval[1] = Wilson(correct, r.N)
	r.average()
	r.Confusion = t.dense()
	return r
}

// average fills in the means over classes. A class that has no images and that
// no answer names does not occur, and does not count.
func (r *Report) average() {
	occur, have := 0, 0
	for _, c := range r.PerClass {
		if c.N > 0 {
			have++
			r.BalancedAccuracy += c.Recall
		}
		if c.N > 0 || c.Predicted > 0 {
			occur++
			r.Macro.add(c, 1)
			r.Weighted.add(c, float64(c.N))
		}
	}
	if have > 0 {
		r.BalancedAccuracy /= float64(have)
	}
	r.Macro.divide(occur)
	r.Weighted.divide(r.N)
}

func (a *Average) add(c Class, weight float64) {
	a.Precision += weight * c.Precision
	a.Recall += weight * c.Recall
	a.F1 += weight * c.F1
}

func (a *Average) divide(n int) {
	if n > 0 {
		*a = Average{a.Precision / float64(n), a.Recall / float64(n), a.F1 / float64(n)}
	}
}

func (t *Tally) dense() [][]int {
	if len(t.labels) > denseLimit {
		return nil
	}
	matrix := make([][]int, len(t.labels))
	for i := range matrix {
		matrix[i] = make([]int, len(t.labels))
	}
	for pair, n := range t.confusion {
		matrix[pair.Truth][pair.Predicted] = n
	}
	return matrix
}

// Wilson is the interval in which a share lies with 95 % confidence, after k of n
// were seen: Wilson's score interval, which unlike the textbook one holds near 0
// and 1. Of nothing it is 0 to 1.
func Wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054 // the normal distribution's 97.5 % quantile
	p, m := float64(k)/float64(n), float64(n)
	center := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, center-half), min(1, center+half)
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Best is the answer: the index of the most probable class, the first of several.
// There must be one.
func Best(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// compareInts compares by the first pair of values that differ.
func compareInts(pairs ...int) int {
	for i := 0; i < len(pairs); i += 2 {
		if d := pairs[i] - pairs[i+1]; d != 0 {
			return d
		}
	}
	return 0
}
