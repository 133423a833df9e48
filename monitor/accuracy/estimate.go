package accuracy

import "math"

// UnsureWidth is the width of a band, in shares of answers, above which an estimate is not to be relied on: ten points.
const UnsureWidth = 0.10

// normal95 is how many deviations of a normal distribution hold 95 % of it, to either side.
const normal95 = 1.959964

// Estimate is the accuracy that a window of answers probably had. All are shares of answers, 0 to 1.
type Estimate struct {
	N        int     `json:"n"` // answers
	Accuracy float64 `json:"accuracy"`
	Low      float64 `json:"low"` // of the band, see [Isotonic.Estimate]
	High     float64 `json:"high"`
	Unsure   bool    `json:"unsure"` // the band is wider than UnsureWidth
}

// Estimate estimates the accuracy of a window of answers by their scores; those that are NaN are left out. The band from Low to High
// is made of three things:
//
//   - The answers are right or wrong by chance: with probabilities p_i their number has the variance Σ p_i(1-p_i), so the share
//     that is found later, when labels come, differs from the estimate.
//   - The map is itself an estimate. A block of n answers of which a share p was right has a variance of p(1-p)/n, and is off for
//     all answers of the window that fall into it.
//   - shift is the share of the window, 0 to 1, that is unlike anything of the validation set. Nothing is known of it: it is all
//     wrong at one end of the band and all right at the other, so that the band is shift wider (the bounds of Manski 1989 for what
//     is not observed), while the part that is known shrinks by as much. A shift of 0.1 and more is always Unsure, and one of 1
//     gives 0 to 1.
//
// Without a shift the band holds the accuracy that the window's labels will show in 95 % of the windows, with a validation set of
// 1,000 answers and more; with 300 in 92 %, as a map of so few follows them too closely. Accuracy itself does not depend on shift.
//
// A natural measure of shift comes from a classifier that tells the window from the reference: when a share s of the window lies
// where the reference never is, and the rest is alike, the best classifier has an AUC of 0.5 + s/2, so that s is 2·AUC - 1. When
// the rest has moved, too, that is more than s and the band wider than it need be. Chance alone gives it a deviation of 0.05 at 500
// and 500 rows, so take 0 while p is not small. Another measure is the share of the window that lies farther out than 99 %
// of the reference.
//
// Without answers, or with a map without blocks, the band is 0 to 1.
func (m *Isotonic) Estimate(scores []float64, shift float64) Estimate {
	e := Estimate{High: 1, Unsure: true}
	if len(m.Blocks) == 0 {
		return e
	}
	n, total, tosses, mapped := m.sum(scores)
	if e.N = n; n == 0 {
		return e
	}
	size := float64(n)
	e.Accuracy = total / size
	half := normal95 * math.Sqrt(tosses+mapped) / size
	known := 1 - min(max(shift, 0), 1)
	e.Low = max(e.Accuracy-half, 0) * known
	e.High = 1 - max(1-e.Accuracy-half, 0)*known
	e.Unsure = e.High-e.Low > UnsureWidth
	return e
}
