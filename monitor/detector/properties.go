package detector

import (
	"cmp"
	"math"
	"slices"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/drift"
)

// property is one of the reference's images.
type property struct {
	sorted []float64 // where it is known
	edges  []float64
	counts []int
}

const (
	// propertyBins: ten bins of a window of 200 hold 20 values each.
	propertyBins = 10
	// leastKnown is the fewest images whose property is compared.
	leastKnown = 50
)

func newProperty(sorted []float64) property {
	p := property{sorted: sorted}
	if len(sorted) > 0 {
		p.edges = drift.Edges(sorted, propertyBins)
		p.counts = drift.Bin(p.edges, sorted)
	}
	return p
}

// compare compares a window's values, sorted, with the reference's.
func (p *property) compare(name string, values []float64) Moved {
	m := Moved{Property: name, Known: len(values), P: 1}
	if len(p.sorted) == 0 || len(values) == 0 {
		return m
	}
	m.Reference, m.Window = median(p.sorted), median(values)
	counts := drift.Bin(p.edges, values)
	before, now := drift.Shares(p.counts), drift.Shares(counts)
	m.PSI, m.JS = drift.PSI(before, now), drift.JensenShannon(before, now)
	if len(values) >= leastKnown && len(p.sorted) >= leastKnown {
		m.P = drift.PSIPValue(m.PSI, len(p.sorted), len(values), occupied(p.counts, counts))
	}
	return m
}

// occupied counts the bins that either sample has values in: others say nothing.
func occupied(a, b []int) int {
	n := 0
	for k := range a {
		if a[k] > 0 || b[k] > 0 {
			n++
		}
	}
	return n
}

func median(sorted []float64) float64 { return sorted[len(sorted)/2] }

// moved compares all properties, those that moved furthest first.
func (d *Detector) moved(w *window) []Moved {
	var out []Moved
	for i, name := range monitor.PropertyNames {
		values := sorted(w.answers, func(a *monitor.Answer) float32 { return a.Image.Properties()[i] })
		out = append(out, d.properties[i].compare(name, values))
	}
	slices.SortStableFunc(out, func(a, b Moved) int { return cmp.Or(cmp.Compare(a.P, b.P), cmp.Compare(b.PSI, a.PSI)) })
	return out
}

func (d *Detector) propertiesTest(w *window) Test {
	t := Test{Detector: Properties, P: 1, Skipped: "too few images have properties that are known"}
	if d.ignores(Properties) {
		t.Skipped = ignored
		return t
	}
	tested := 0
	for _, m := range w.moved {
		if m.Known < leastKnown || d.ignores(m.Property) {
			continue
		}
		tested++
		t.Skipped = ""
		t.Score = max(t.Score, m.PSI)
		if t.Part == "" { // the first has the least p
			t.P, t.Part = m.P, m.Property
		}
	}
	t.P = min(1, t.P*float64(max(1, tested)))
	return t
}

// describe adds what tells a person what has moved.
func (d *Detector) describe(r *Result, w *window) {
	before, now := drift.Shares(d.classes), drift.Shares(w.classes)
	for c, label := range d.ref.Labels {
		r.Classes = append(r.Classes, ClassShare{label, before[c], now[c], w.ks[c]})
	}
	slices.SortStableFunc(r.Classes, func(a, b ClassShare) int { return cmp.Compare(b.KS, a.KS) })
	r.Classes = r.Classes[:min(mostClasses, len(r.Classes))]
	r.Properties = w.moved
	if w.distances != nil {
		above := len(w.distances) - upTo(w.distances, d.strange)
		share := float64(above) / float64(len(w.distances))
		r.Strange = &share
	}
	d.estimate(r, w)
}

// mostClasses bounds a result of a model with very many.
const mostClasses = 20

// upTo is how many of the sorted values are at most v.
func upTo(sorted []float64, v float64) int {
	n, _ := slices.BinarySearch(sorted, math.Nextafter(v, math.Inf(1)))
	return n
}
