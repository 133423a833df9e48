package soak

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Trend is a straight line through a series over the number of requests.
type Trend struct {
	Slope     float64 // a request
	Low, High float64 // 95 % confidence interval of the slope
	First     float64 // the line's value where it begins
	Blocks    int     // how many means it was laid through
}

// confidence is two-sided.
const confidence = 0.95

// Blocks is how many blocks of samples Fit makes at most.
const Blocks = 20

// Fit lays a line by least squares (Draper and Smith, Applied Regression Analysis, chapter 1) through one value of each of some equally
// long blocks of samples: the least of them where the quantity is memory, which rises again and again for a while, when
// garbage waits or a model is there twice; else their mean. It needs three blocks of two samples at least, over which requests
// were answered.
func Fit(samples []Sample, of Series) (Trend, error) {
	blocks := min(Blocks, len(samples)/2)
	if blocks < 3 || samples[len(samples)-1].Requests <= samples[0].Requests {
		return Trend{}, fmt.Errorf("cannot fit a line through %d samples: they are too few, or nothing was answered between them", len(samples))
	}
	x, y := make([]float64, blocks), make([]float64, blocks)
	for b := range blocks {
		block := samples[b*len(samples)/blocks : (b+1)*len(samples)/blocks]
		least := math.Inf(1)
		for _, s := range block {
			x[b] += float64(s.Requests-samples[0].Requests) / float64(len(block))
			y[b] += s.Values[of] / float64(len(block))
			least = min(least, s.Values[of])
		}
		if of.Bytes() {
			y[b] = least
		}
	}
	alpha, beta := stat.LinearRegression(x, y, nil, false)
	residual := 0.0
	for i := range x {
		residual += math.Pow(y[i]-alpha-beta*x[i], 2)
	}
	freedom := float64(blocks - 2)
	spread := stat.Variance(x, nil) * float64(blocks-1)
	margin := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Quantile((1+confidence)/2) * math.Sqrt(residual/freedom/spread)
	return Trend{Slope: beta, Low: beta - margin, High: beta + margin, First: alpha, Blocks: blocks}, nil
}

// Above reports whether the series certainly rises by more than bound a request.
func (t Trend) Above(bound float64) bool { return t.Low > bound }

// String writes the slope and its interval.
func (t Trend) String() string {
	return fmt.Sprintf("%+.3g a request (95 %%: %+.3g to %+.3g)", t.Slope, t.Low, t.High)
}
