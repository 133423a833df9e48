package evaluate

import (
	"cmp"
	"slices"
)

// Mistake is a wrong answer.
type Mistake struct {
	Image            int // its index
	Truth, Predicted int // indices of labels
	Confidence       float32
	TruthProbability float32
}

// WorstMistakes returns the wrong answers that were given with the highest
// confidence, highest first, at most limit.
func WorstMistakes(a Answers, limit int) []Mistake {
	var all []Mistake
	for i, p := range a.Probabilities {
		if best := Best(p); best != a.Truth[i] {
			all = append(all, Mistake{i, a.Truth[i], best, p[best], p[a.Truth[i]]})
		}
	}
	slices.SortStableFunc(all, func(x, y Mistake) int { return cmp.Compare(y.Confidence, x.Confidence) })
	return all[:min(limit, len(all))]
}

// Coverage is what a classifier is worth that may also say "I do not know": one
// that answers only from a confidence of Threshold on answers the share Answered
// of the images, and that share of these answers is right.
type Coverage struct {
	Threshold float64
	Answered  float64
	Accuracy  float64
}

// CoverageCurve returns it for each threshold that makes a difference, highest
// first, thinned to a few hundred; the last one answers everything.
func CoverageCurve(a Answers) []Coverage {
	var r ranking
	r.reset(len(a.Truth))
	for i, p := range a.Probabilities {
		best := Best(p)
		r.add(p[best], best == a.Truth[i])
	}
	r.rank()
	var p thinner
	for _, s := range r.steps {
		answered := s.positives + s.negatives
		p.add(float64(answered)/float64(len(a.Truth)), float64(s.positives)/float64(answered), s.threshold())
	}
	answered, accuracy, threshold := p.thin()
	out := make([]Coverage, len(answered))
	for i := range out {
		out[i] = Coverage{threshold[i], answered[i], accuracy[i]}
	}
	return out
}
