// Package detector tells whether a window of traffic looks like the images that a model was measured on.
//
// # What is tested
//
// There is no one test of drift. Each of these sees something that the others miss, and says where to look:
//
//   - bbsd compares the probabilities of each class with those of the reference (Kolmogorov-Smirnov, Bonferroni over the classes):
//     "black box shift detection", which needs nothing but answers. In the comparison of Rabanser 2019 ("Failing Loudly") it was the
//     best of all reductions.
//   - mmd compares embeddings by their maximum mean discrepancy, with a permutation test: it sees change that leaves the answers alone.
//   - classifier learns to tell the window's embeddings from the reference's. Its score, an AUC, is the plainest to read: 0.5 is chance.
//   - ood compares how far embeddings lie from all classes (Mahalanobis): it sees images that belong to none.
//   - properties compares brightness, contrast, saturation, sharpness, size and aspect (population stability index, with the p-value that
//     it has between samples, Bonferroni over the properties).
//   - classes compares the mix of predicted classes (chi-squared).
//
// # When it alarms
//
// A window of at least MinWindow answers drifts when any of the tests' p-values, adjusted by Holm for their number, is at most Alpha. So one window
// in twenty drifts by chance at the default; [Alarm] asks for several in a row. A distance, such as a PSI of 0.1, is no
// threshold here: what chance makes of it depends on the window's size, and below some hundred answers it cries wolf.
package detector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/drift"
	"github.com/torchlit/torchlit/monitor/reference"
)

// MinWindow is the fewest answers that are tested.
const MinWindow = 200

// Names of the tests.
const (
	BBSD       = "bbsd"
	MMD        = "mmd"
	Classifier = "classifier"
	OOD        = "ood"
	Properties = "properties"
	Classes    = "classes"
)

// Names lists the tests in the order of Result.Tests.
var Names = []string{BBSD, MMD, Classifier, OOD, Properties, Classes}

// Options set the tests. The zero value of a field stands for the default.
type Options struct {
	Alpha        float64  // of a window to drift by chance; default 0.05
	Permutations int      // of mmd; default 200
	Ignore       []string // tests, and properties, that are left out
	Seed         uint64
}

const (
	defaultAlpha        = 0.05
	defaultPermutations = 200
)

// Level is Alpha or its default.
func (o *Options) Level() float64 {
	if o.Alpha == 0 {
		return defaultAlpha
	}
	return o.Alpha
}

// Validate reports a setting that cannot work.
func (o *Options) Validate() error {
	if !(o.Alpha >= 0 && o.Alpha < 1) {
		return fmt.Errorf("cannot use %v as the level of the tests of drift: it lies between 0 and 1, such as 0.05", o.Alpha)
	}
	for _, name := range o.Ignore {
		if !slices.Contains(Names, name) && !slices.Contains(monitor.PropertyNames[:], name) {
			return fmt.Errorf("cannot ignore %q: the tests are %q, the properties %q", name, Names, monitor.PropertyNames)
		}
	}
	return nil
}

// Detector compares windows with one reference. Its methods may be called by many goroutines at once.
type Detector struct {
	ref     *reference.Reference
	options Options

	probabilities [][]float64 // [class], sorted
	classes       []int       // samples by the class found likeliest
	properties    [monitor.NumProperties]property
	few           [][]float32 // of the embeddings: for what takes its time in the square of their number
	testing       sync.Mutex  // an MMD serves one at a time
	mmd           *drift.MMD
	distances     []float64 // of the embeddings to the nearest class, sorted
	strange       float64   // the distance that one in a hundred of the reference exceeds
}

// most embeddings that mmd and classifier look at, of the reference and of the window each.
const mostEmbeddings = 500

// New makes a detector. ref must not change afterwards.
func New(ref *reference.Reference, o Options) *Detector {
	o.Alpha = o.Level()
	if o.Permutations == 0 {
		o.Permutations = defaultPermutations
	}
	d := &Detector{ref: ref, options: o, classes: make([]int, len(ref.Labels))}
	for c := range ref.Labels {
		d.probabilities = append(d.probabilities, sorted(ref.Probabilities, func(p []float32) float32 { return p[c] }))
	}
	for _, p := range ref.Probabilities {
		d.classes[evaluate.Best(p)]++
	}
	for i := range d.properties {
		d.properties[i] = newProperty(sorted(ref.Properties, func(v [monitor.NumProperties]float32) float32 { return v[i] }))
	}
	if ref.Embeddings != nil {
		d.few = sample(ref.Embeddings, mostEmbeddings, o.Seed)
		d.mmd = drift.NewMMD(d.few)
		d.distances = sorted(ref.Embeddings, ref.Space.Score)
		d.strange = d.distances[len(d.distances)*99/100]
	}
	return d
}

// Reference is what the detector compares with.
func (d *Detector) Reference() *reference.Reference { return d.ref }

// Score is how far an answer's embedding lies from those of all classes, in squared standard deviations; see drift.Mahalanobis. It is NaN where
// there is no embedding of the reference's kind.
func (d *Detector) Score(a *monitor.Answer) float32 {
	c := d.Coordinates(a)
	if c == nil {
		return nan
	}
	return d.ref.Space.Score(c)
}

// Strange is the score that one in a hundred of the reference's images exceeds; NaN where none has a score.
func (d *Detector) Strange() float64 {
	if d.distances == nil {
		return float64(nan)
	}
	return d.strange
}

// Coordinates are those of the answer's embedding in which embeddings are compared; nil where there is no embedding of the reference's kind.
func (d *Detector) Coordinates(a *monitor.Answer) []float32 {
	p := d.ref.Projection
	if p == nil || len(a.Embedding) != len(p.Mean) {
		return nil
	}
	return p.Apply(make([]float32, 0, p.Dims+1), a.Embedding)
}

// Test compares a window of answers of the reference's model with the reference. Answers without probabilities of all classes are
// left out; it is an error when fewer than MinWindow are left.
func (d *Detector) Test(answers []*monitor.Answer) (*Result, error) {
	answers = slices.DeleteFunc(slices.Clone(answers), func(a *monitor.Answer) bool { return len(a.Probabilities) != len(d.ref.Labels) })
	if len(answers) < MinWindow {
		return nil, fmt.Errorf("cannot test %d answers for drift: a window has at least %d with the probabilities of %d classes", len(answers), MinWindow, len(d.ref.Labels))
	}
	w := d.window(answers)
	r := &Result{Answers: len(answers), From: answers[0].Time, Until: answers[0].Time}
	for _, a := range answers {
		if a.Time.Before(r.From) {
			r.From = a.Time
		}
		if a.Time.After(r.Until) {
			r.Until = a.Time
		}
	}
	r.Tests = []Test{d.bbsd(w), d.mmdTest(w), d.classifier(w), d.ood(w), d.propertiesTest(w), d.classesTest(w)}
	r.conclude(d.options.Alpha)
	d.describe(r, w)
	return r, nil
}

// sample takes at most n of the rows by chance.
func sample[T any](rows []T, n int, seed uint64) []T {
	if len(rows) <= n {
		return rows
	}
	out := make([]T, n)
	for i, at := range rand.New(rand.NewPCG(seed, 1)).Perm(len(rows))[:n] {
		out[i] = rows[at]
	}
	return out
}

// sorted are the values of the rows in ascending order, without NaN.
func sorted[T any](rows []T, value func(T) float32) []float64 {
	out := make([]float64, 0, len(rows))
	for _, r := range rows {
		if v := value(r); v == v {
			out = append(out, float64(v))
		}
	}
	slices.Sort(out)
	return out
}
