package drift

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// folds is into how many parts both samples are cut: each is scored by a classifier that saw the others.
const folds = 5

// Classifier tests whether a classifier can tell the window's rows from the reference's: Lopez-Paz and Oquab 2017, "Revisiting
// classifier two-sample tests". It is a logistic regression with a quadratic penalty (scikit-learn's C = 1) on values standardised
// over both samples, and scores rows it was not fitted to: five folds, drawn by the seed, each with its share of both samples.
//
// auc is the area under the ROC curve over the pairs of one fold, as scores of different classifiers do not compare: 0.5 means that
// the samples look alike. p is one-sided: the probability of that much or more without drift. Given its classifier, the U of a fold
// is Mann and Whitney's, with its known mean and variance, ties counted in. But folds are not independent: what two of them have in
// common, that one part's rows fit to the other's, is scored in both, which makes the correlation 1/(folds-1) and doubles
// the variance of the sum. A sum of p-values as if they were independent would raise twice as many false alarms and more.
//
// With fewer than two rows on either side, auc is 0.5 and p is 1. Rows are of one length. A column in which a value is not finite is
// left out.
func Classifier(reference, window [][]float32, seed uint64) (auc, p float64) {
	k := min(folds, len(reference), len(window))
	if k < 2 {
		return 0.5, 1
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	fold := append(assign(len(reference), k, rng), assign(len(window), k, rng)...)
	x := standardise(reference, window)
	y := make([]float64, len(fold))
	for i := range window {
		y[len(reference)+i] = 1
	}
	var all ranks
	weight, score := make([]float64, len(y)), make([]float64, len(y))
	for f := range k {
		for i := range weight {
			weight[i] = 1
			if fold[i] == f {
				weight[i] = 0
			}
		}
		x.scores(score, x.fit(y, weight, 1))
		r := rankSum(score, y, func(i int) bool { return fold[i] == f })
		all.u, all.pairs, all.variance = all.u+r.u, all.pairs+r.pairs, all.variance+r.variance
	}
	return all.u / all.pairs, all.pValue(2)
}

// assign draws a fold for each of n rows; sizes differ by one at most.
func assign(n, k int, rng *rand.Rand) []int {
	fold := make([]int, n)
	for at, i := range rng.Perm(n) {
		fold[i] = at % k
	}
	return fold
}

// ranks are what Mann and Whitney's test is made of.
type ranks struct {
	u        float64 // pairs in which the window's row has the greater score; a tie is half a pair
	pairs    float64
	variance float64 // of u without drift
}

// pValue is one-sided, for a variance that is so many times as large.
func (r ranks) pValue(inflated float64) float64 {
	if r.variance == 0 { // all scores are equal
		return 1
	}
	return math.Erfc((r.u-r.pairs/2)/math.Sqrt(2*inflated*r.variance)) / 2
}

// rankSum compares the scores of the rows of one fold: y is 1 for those of the window.
func rankSum(score, y []float64, in func(int) bool) ranks {
	var order []int
	for i := range score {
		if in(i) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(score[a], score[b]) })
	var ones, sum, ties float64
	for from := 0; from < len(order); {
		to, of := from+1, y[order[from]]
		for to < len(order) && score[order[to]] == score[order[from]] {
			of += y[order[to]]
			to++
		}
		t := float64(to - from)
		ones += of
		sum += of * (float64(from) + (t+1)/2) // they share a rank
		ties += t*t*t - t
		from = to
	}
	n := float64(len(order))
	pairs := ones * (n - ones)
	return ranks{u: sum - ones*(ones+1)/2, pairs: pairs, variance: pairs / 12 * (n + 1 - ties/(n*(n-1)))}
}
