package drift

import (
	"cmp"
	"slices"
)

// Bonferroni are the p-values of tests made together, adjusted so that comparing them with 5 % lets any of them alarm falsely in
// 5 % of the cases at most: each times their number, 1 at most. Nothing is asked of how the tests depend on each other.
func Bonferroni(p []float64) []float64 {
	adjusted := make([]float64, len(p))
	for k, v := range p {
		adjusted[k] = min(v*float64(len(p)), 1)
	}
	return adjusted
}

// Holm promises what [Bonferroni] does and never adjusts more: the smallest is multiplied by their number, the next by one less,
// and so on, and none is below a smaller one's. Holm 1979, "A simple sequentially rejective multiple test procedure".
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	adjusted := make([]float64, len(p))
	most := 0.0
	for rank, k := range order {
		most = max(most, min(p[k]*float64(len(p)-rank), 1))
		adjusted[k] = most
	}
	return adjusted
}
