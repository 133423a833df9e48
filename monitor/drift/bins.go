package drift

import (
	"math"
	"slices"
)

// Edges are what separates bins that each hold about the same number of the reference's values: ascending, each once. k edges
// make k+1 bins, of which the first and the last are open, so that no value is outside. A value equal to an edge belongs to the bin
// below it. sortedReference is in ascending order as slices.Sort leaves it; NaN, which comes first, is left out. bins is 1 at least.
//
// A value that fills a whole bin by itself (all photos are 32 pixels wide) gets one of its own, with an edge just below it: else a
// window of smaller values would share its bin. So there may be more bins than asked for, twice as many at most.
func Edges(sortedReference []float64, bins int) []float64 {
	sortedReference = known(sortedReference)
	var edges []float64
	n, from := len(sortedReference), 0
	for k := 1; k <= bins; k++ {
		to := (k*n + bins - 1) / bins // the bin is [from, to) of the reference
		if to-from < 1 {
			continue
		}
		v := sortedReference[to-1]
		if to-from > 1 && sortedReference[from] == v {
			if last := len(edges) - 1; last >= 0 && edges[last] == v {
				edges = edges[:last]
			}
			edges = appendOnce(appendOnce(edges, math.Nextafter(v, math.Inf(-1))), v)
		} else if to < n {
			edges = appendOnce(edges, v)
		}
		from = to
	}
	return edges
}

// appendOnce appends v unless it is there.
func appendOnce(edges []float64, v float64) []float64 {
	if len(edges) > 0 && edges[len(edges)-1] == v {
		return edges
	}
	return append(edges, v)
}

// Bin counts the values of each bin; the result has one element more than edges. NaN, which stands for a value that is not known, is
// not counted.
func Bin(edges, values []float64) []int {
	counts := make([]int, len(edges)+1)
	for _, v := range values {
		if v == v {
			at, _ := slices.BinarySearch(edges, v)
			counts[at]++
		}
	}
	return counts
}

// Shares are counts as shares of their sum; zeros where the sum is 0.
func Shares(counts []int) []float64 {
	sum := 0
	for _, c := range counts {
		sum += c
	}
	shares := make([]float64, len(counts))
	for k, c := range counts {
		if sum > 0 {
			shares[k] = float64(c) / float64(sum)
		}
	}
	return shares
}
