package train

import "math"

// OneCycle is a learning rate that climbs in a straight line to its peak and
// falls along half a cosine to nearly nothing: Smith & Topin, Super-Convergence,
// https://arxiv.org/abs/1708.07120. For a budget of few epochs it beats a
// schedule that waits for plateaus.
type OneCycle struct {
	Peak   float64
	Steps  int     // of the whole run
	WarmUp float64 // part of the steps until the peak
}

const (
	startFactor = 1.0 / 25 // of the peak, at the first step
	endFactor   = 1e-3     // of the peak, at the last step
)

// At returns the learning rate of a step, 0 ≤ step < Steps.
func (s OneCycle) At(step int) float64 {
	warm := s.WarmUp * float64(s.Steps)
	if x := float64(step); x < warm {
		return s.Peak * (startFactor + (1-startFactor)*x/warm)
	}
	progress := (float64(step) - warm) / math.Max(1, float64(s.Steps-1)-warm)
	return s.Peak * (endFactor + (1-endFactor)*(1+math.Cos(math.Pi*math.Min(progress, 1)))/2)
}

// sideAt returns the image size of an epoch; own is the data's.
func (d *Data) sideAt(epoch, epochs, own int) int {
	side := own
	for _, p := range d.Sizes {
		if float64(epoch) >= p.From*float64(epochs) {
			side = p.Side
		}
	}
	return side
}
