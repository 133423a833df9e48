package drift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// emptyBin is the share that an empty bin counts as, unless a bin has less, see filled.
const emptyBin = 1e-4

// PSI is the population stability index of two distributions over the same bins, given as shares that sum up to 1: Σ (reference -
// window)·ln(reference/window), which is 0 for equal ones. Above 0.1 is by custom a moderate difference. An empty bin counts as a
// share of 1e-4, or of a millionth of the least share where that is 1e-4 or less, as Evidently has it.
func PSI(reference, window []float64) float64 {
	if len(reference) != len(window) {
		panic("BUG: shares of different bins are compared")
	}
	fillReference, fillWindow := fill(reference), fill(window)
	sum := 0.0
	for k := range reference {
		r, w := reference[k], window[k]
		if r == 0 {
			r = fillReference
		}
		if w == 0 {
			w = fillWindow
		}
		sum += (r - w) * math.Log(r/w)
	}
	return sum
}

// fill is what an empty bin counts as.
func fill(shares []float64) float64 {
	least := math.Inf(1)
	for _, s := range shares {
		if s > 0 {
			least = min(least, s)
		}
	}
	if least <= emptyBin {
		return least / 1e6
	}
	return emptyBin
}

// PSIPValue is the probability of a PSI of at least psi between samples of n and m values of one distribution over the given
// number of bins: about (1/n + 1/m) times a chi-squared value of bins-1 degrees of freedom, Yurdakul 2018, "Statistical
// properties of the population stability index". It asks for samples that leave no bin nearly empty: five values in each, as for
// [ChiSquare]. n and m are 1 at least; it is 1 for fewer than two bins.
func PSIPValue(psi float64, n, m, bins int) float64 {
	if bins < 2 {
		return 1
	}
	return distuv.ChiSquared{K: float64(bins - 1)}.Survival(psi / (1/float64(n) + 1/float64(m)))
}

// JensenShannon is the Jensen-Shannon distance of two distributions over the same bins, as scipy.spatial.distance.jensenshannon:
// the square root of the divergence in nats, 0 to √ln 2. Both are normalised first; where one sums up to 0 it is NaN.
func JensenShannon(p, q []float64) float64 {
	if len(p) != len(q) {
		panic("BUG: shares of different bins are compared")
	}
	var sumP, sumQ float64
	for k := range p {
		sumP += p[k]
		sumQ += q[k]
	}
	divergence := 0.0
	for k := range p {
		a, b := p[k]/sumP, q[k]/sumQ
		mean := (a + b) / 2
		divergence += entropyTerm(a, mean) + entropyTerm(b, mean)
	}
	return math.Sqrt(max(divergence, 0) / 2)
}

func entropyTerm(a, mean float64) float64 {
	if a == 0 {
		return 0
	}
	return a * math.Log(a/mean)
}
