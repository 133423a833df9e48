package detector

import (
	"math"
	"slices"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/drift"
)

// window is what the tests look at.
type window struct {
	answers    []*monitor.Answer
	embeddings [][]float32 // coordinates of those that have one
	distances  []float64   // of all embeddings, sorted
	classes    []int       // answers by the class found likeliest

	ks, ksP []float64 // of each class's probabilities
	moved   []Moved   // the properties, those that moved furthest first
}

func (d *Detector) window(answers []*monitor.Answer) *window {
	w := &window{answers: answers, classes: make([]int, len(d.ref.Labels))}
	for _, a := range answers {
		w.classes[evaluate.Best(a.Probabilities)]++
		if c := d.Coordinates(a); c != nil && finite(c) {
			w.embeddings = append(w.embeddings, c)
		}
	}
	if w.embeddings != nil {
		w.distances = sorted(w.embeddings, d.ref.Space.Score)
	}
	for c := range d.probabilities {
		distance, p := drift.KS(d.probabilities[c], w.probabilities(c))
		w.ks, w.ksP = append(w.ks, distance), append(w.ksP, p)
	}
	w.moved = d.moved(w)
	return w
}

// finite: an embedding that is no number comes of a broken model; a distance to it would be no number either.
func finite(row []float32) bool {
	return !slices.ContainsFunc(row, func(x float32) bool { return x-x != 0 })
}

func (d *Detector) ignores(name string) bool { return slices.Contains(d.options.Ignore, name) }

const ignored = "it is ignored"

// bbsd compares each class's probabilities.
func (d *Detector) bbsd(w *window) Test {
	t := Test{Detector: BBSD, P: 1}
	if d.ignores(BBSD) {
		t.Skipped = ignored
		return t
	}
	for c := range w.ks {
		t.Score = max(t.Score, w.ks[c])
		if p := min(1, w.ksP[c]*float64(len(w.ks))); p < t.P || t.Part == "" {
			t.P, t.Part = p, d.ref.Labels[c]
		}
	}
	return t
}

// probabilities of a class, sorted, as the reference has them: rounded to float16.
func (w *window) probabilities(class int) []float64 {
	return sorted(w.answers, func(a *monitor.Answer) float32 { return monitor.Half(a.Probabilities[class]) })
}

// whyNoEmbeddings is why embeddings cannot be compared, "" when they can.
func (d *Detector) whyNoEmbeddings(name string, w *window) string {
	switch {
	case d.ignores(name):
		return ignored
	case d.ref.Embeddings == nil:
		return "the reference has no embeddings"
	case len(w.embeddings) < MinWindow:
		return "too few answers have an embedding"
	}
	return ""
}

func (d *Detector) mmdTest(w *window) Test {
	t := Test{Detector: MMD, P: 1, Skipped: d.whyNoEmbeddings(MMD, w)}
	if t.Skipped == "" {
		d.testing.Lock()
		defer d.testing.Unlock()
		t.Score, t.P = d.mmd.Test(sample(w.embeddings, mostEmbeddings, d.options.Seed), d.options.Permutations, d.options.Seed)
	}
	return t
}

func (d *Detector) classifier(w *window) Test {
	t := Test{Detector: Classifier, P: 1, Skipped: d.whyNoEmbeddings(Classifier, w)}
	if t.Skipped == "" {
		t.Score, t.P = drift.Classifier(d.few, sample(w.embeddings, mostEmbeddings, d.options.Seed), d.options.Seed)
	}
	return t
}

func (d *Detector) ood(w *window) Test {
	t := Test{Detector: OOD, P: 1, Skipped: d.whyNoEmbeddings(OOD, w)}
	if t.Skipped == "" {
		t.Score, t.P = drift.KS(d.distances, w.distances)
	}
	return t
}

// classesTest compares what is found likeliest.
func (d *Detector) classesTest(w *window) Test {
	t := Test{Detector: Classes, P: 1}
	if d.ignores(Classes) {
		t.Skipped = ignored
		return t
	}
	_, t.P, _ = drift.ChiSquare(d.classes, w.classes)
	before, now := drift.Shares(d.classes), drift.Shares(w.classes)
	t.Score = drift.JensenShannon(before, now)
	most := -1.0
	for c, label := range d.ref.Labels {
		if by := math.Abs(now[c] - before[c]); by > most {
			most, t.Part = by, label
		}
	}
	return t
}
