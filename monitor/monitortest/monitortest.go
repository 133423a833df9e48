// Package monitortest makes answers of a classifier that is not there, for tests of what watches answers.
//
// Its world has a few classes of embeddings, each a Gaussian around a point. The classifier knows the points: its probabilities are those
// of Bayes' rule, so they are calibrated, and its accuracy is what the overlap of the classes leaves.
package monitortest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/torchlit/torchlit/monitor"
)

// The world's size.
const (
	Classes = 5
	Dims    = 24
	spread  = 2.2 // of the classes' points; the noise around them is 1
)

// World says what images come. The zero value is the world that the classifier was measured in.
type World struct {
	Noise   float64              // more noise around the classes' points than there was, as its standard deviation
	Mix     [Classes]float64     // how often each class comes; all zero stands for equally often
	Foreign float64              // share of images that belong to no class
	Look    func(*monitor.Image) // changes what the images look like
	Bare    bool                 // the classifier gives no embeddings
	Start   time.Time            // of the first answer; the next come a second apart
}

// Answers are the classifier's to n images of the world, with their true classes.
func (w World) Answers(n int, seed uint64) (answers []*monitor.Answer, truth []int) {
	r := rand.New(rand.NewPCG(seed, 7))
	for i := range n {
		class := w.class(r)
		at := points[class]
		if r.Float64() < w.Foreign {
			at = [Dims]float64{}
			for k := range at {
				at[k] = 3 * spread * r.NormFloat64()
			}
		}
		embedding := make([]float32, Dims)
		for k := range embedding {
			embedding[k] = float32(at[k] + r.NormFloat64()*math.Hypot(1, w.Noise))
		}
		a := &monitor.Answer{
			Time: w.Start.Add(time.Duration(i) * time.Second), RequestID: fmt.Sprintf("%d-%d", seed, i), Model: "world", Version: "1",
			Labels: Labels(), Probabilities: bayes(embedding), Image: look(r),
		}
		if w.Look != nil {
			w.Look(&a.Image)
		}
		if !w.Bare {
			a.Embedding = embedding
		}
		answers, truth = append(answers, a), append(truth, class)
	}
	return answers, truth
}

// Labels are the names of the classes.
func Labels() []string { return []string{"a", "b", "c", "d", "e"} }

func (w World) class(r *rand.Rand) int {
	sum := 0.0
	for _, m := range w.Mix {
		sum += m
	}
	if sum == 0 {
		return r.IntN(Classes)
	}
	at := r.Float64() * sum
	for c, m := range w.Mix {
		if at -= m; at < 0 {
			return c
		}
	}
	return Classes - 1
}

func look(r *rand.Rand) monitor.Image {
	around := func(mean, std float64) float32 { return float32(mean + std*r.NormFloat64()) }
	return monitor.Image{
		Width: 300 + r.IntN(200), Height: 300 + r.IntN(200), Bytes: 20_000 + r.IntN(50_000),
		Brightness: around(0.5, 0.1), Contrast: around(0.2, 0.05), Saturation: around(0.3, 0.1), Sharpness: around(0.03, 0.01),
	}
}

var points = func() (p [Classes][Dims]float64) {
	r := rand.New(rand.NewPCG(3, 3))
	for c := range p {
		for k := range 6 { // the classes differ in some directions only, as a network's do
			p[c][k] = spread * r.NormFloat64() / 2
		}
	}
	return p
}()

// bayes are the probabilities of the classes, all equally likely before.
func bayes(x []float32) []float32 {
	var logits [Classes]float64
	most := math.Inf(-1)
	for c := range logits {
		for k, v := range x {
			d := float64(v) - points[c][k]
			logits[c] -= d * d / 2
		}
		most = max(most, logits[c])
	}
	sum := 0.0
	for c := range logits {
		logits[c] = math.Exp(logits[c] - most)
		sum += logits[c]
	}
	out := make([]float32, Classes)
	for c := range out {
		out[c] = float32(logits[c] / sum)
	}
	return out
}
