package detector

import (
	"math"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor"
)

// estimate is how often the answers of the window are likely to be right.
func (d *Detector) estimate(r *Result, w *window) {
	confidence := make([]float64, len(w.answers))
	for i, a := range w.answers {
		confidence[i] = float64(monitor.Half(a.Probabilities[evaluate.Best(a.Probabilities)]))
		r.Confidence += confidence[i] / float64(len(w.answers))
	}
	r.Shift = r.shift()
	r.Estimate = d.ref.Calibration.Estimate(confidence, r.Shift)
}

// shift is the share of the window, 0 to 1, that lies where the reference never does, as far as the tests tell: of it the calibration
// knows nothing. The total variation of two distributions is at least the distance of any figure's distributions, and at least
// 2·AUC−1 of whatever tells them apart. What chance may have made is not counted: else one window in ten without drift would have
// an estimate that calls itself unsure.
func (r *Result) shift() float64 {
	most := 0.0
	for _, t := range r.Tests {
		if !t.Drifted {
			continue
		}
		switch t.Detector {
		case BBSD, OOD:
			most = max(most, t.Score)
		case Classifier:
			most = max(most, 2*t.Score-1)
		}
	}
	return math.Min(most, 1)
}
