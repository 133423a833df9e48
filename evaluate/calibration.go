package evaluate

import (
	"cmp"
	"math"
	"slices"
)

// calibrationBins is the number of bins of confidence in which the calibration
// error is measured; 15 is what the literature since Guo et al.,
// https://arxiv.org/abs/1706.04599, compares with.
const calibrationBins = 15

// Calibration tells whether probabilities mean what they say: of the answers
// given with a confidence of 80 %, do 80 % hold? Confidence is the probability of
// the answer, the most probable class.
type Calibration struct {
	LogLoss     float64 `json:"log_loss"`         // mean, natural logarithm; probabilities count as 1e-12 at least
	BrierScore  float64 `json:"brier_score"`      // mean over images of Σ (probability - truth)², 0 to 2
	ECE         float64 `json:"ece"`              // mean |confidence - accuracy| of Bins, by their images
	AdaptiveECE float64 `json:"adaptive_ece"`     // the same with bins of equally many images
	MaxError    float64 `json:"max_error"`        // the largest |confidence - accuracy| of Bins
	Confidence  float64 `json:"mean_confidence"`  // mean
	Accuracy    float64 `json:"accuracy"`         // what Confidence should be
	Bins        []Bin   `json:"reliability_bins"` // 15 of equal width, from 0 to 1; also the empty ones
}

// Bin is the answers of one range of confidence, Low included, High not (in the
// last bin, it is).
type Bin struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	N          int     `json:"n"`
	Confidence float64 `json:"confidence"` // mean; 0 when N is 0
	Accuracy   float64 `json:"accuracy"`   // share of right answers; 0 when N is 0
}

// said is what a calibration is measured from: five bytes an image.
type said struct {
	confidence []float32
	right      []bool
	logLoss    float64 // sums
	brier      float64
}

func (s *said) len() int { return len(s.right) }

func (s *said) add(truth, best int, probabilities []float32) {
	s.confidence = append(s.confidence, probabilities[best])
	s.right = append(s.right, best == truth)
	p := float64(probabilities[truth])
	s.logLoss -= math.Log(max(p, 1e-12))
	s.brier += 1 - 2*p
	for _, q := range probabilities {
		s.brier += float64(q) * float64(q)
	}
}

func (s *said) calibration() Calibration {
	c := Calibration{Bins: make([]Bin, calibrationBins)}
	for i := range c.Bins {
		c.Bins[i].Low, c.Bins[i].High = float64(i)/calibrationBins, float64(i+1)/calibrationBins
	}
	n := float64(s.len())
	if n == 0 {
		return c
	}
	for i, p := range s.confidence {
		c.Bins[min(int(float64(p)*calibrationBins), calibrationBins-1)].add(p, s.right[i])
		c.Confidence += float64(p) / n
		if s.right[i] {
			c.Accuracy += 1 / n
		}
	}
	for i := range c.Bins {
		if b := &c.Bins[i]; b.N > 0 {
			gap := b.mean()
			c.ECE += gap * float64(b.N) / n
			c.MaxError = max(c.MaxError, gap)
		}
	}
	c.AdaptiveECE = s.adaptive()
	c.LogLoss, c.BrierScore = s.logLoss/n, s.brier/n
	return c
}

// adaptive is the calibration error in bins of equally many answers, which a
// model that is nearly always sure cannot hide from in one of fifteen bins:
// Nguyen and O'Connor, https://arxiv.org/abs/1508.05154. The first n mod 15 bins
// take one answer more.
func (s *said) adaptive() float64 {
	order := make([]int, s.len())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.confidence[a], s.confidence[b]) })
	total := 0.0
	for k := range calibrationBins {
		size := len(order) / (calibrationBins - k)
		if len(order)%(calibrationBins-k) > 0 {
			size++
		}
		var b Bin
		for _, i := range order[:size] {
			b.add(s.confidence[i], s.right[i])
		}
		order = order[size:]
		if b.N > 0 {
			total += b.mean() * float64(b.N)
		}
	}
	return total / float64(s.len())
}

func (b *Bin) add(confidence float32, right bool) {
	b.N++
	b.Confidence += float64(confidence)
	if right {
		b.Accuracy++
	}
}

// mean turns the sums into means and returns their distance.
func (b *Bin) mean() float64 {
	b.Confidence /= float64(b.N)
	b.Accuracy /= float64(b.N)
	return math.Abs(b.Confidence - b.Accuracy)
}
