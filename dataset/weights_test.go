package dataset

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClassWeights(t *testing.T) {
	f := func(scheme string, beta float64, counts []int, want ...float64) {
		t.Helper()
		got, err := ClassWeights(counts, scheme, beta)
		require.NoError(t, err)
		require.InDeltaSlice(t, want, got, 1e-9)
	}
	f(Uniform, 0, []int{3, 9}, 1, 1)
	f(InverseFrequency, 0, []int{10, 30}, 2, 40.0/60) // n/(classes*count)
	f(InverseFrequency, 0, []int{10, 0, 30}, 2, 0, 40.0/60)
	f(EffectiveNumber, 0, []int{1, 5}, 1, 1)
	// By hand: 1-0.9 = 0.1 and 1-0.9² = 0.19 in the denominators, so 0.19:0.1, and
	// (1·w0 + 2·w1)/3 = 1.
	f(EffectiveNumber, 0.9, []int{1, 2}, 3*0.19/0.39, 3*0.1/0.39)
	f(InverseRoot, 0, []int{4, 16}, 20.0/12, 10.0/12)

	near, err := ClassWeights([]int{10, 30}, EffectiveNumber, 1-1e-12)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{2, 40.0 / 60}, near, 1e-6, "towards 1 it is the inverse frequency")

	_, err = ClassWeights([]int{1}, EffectiveNumber, 1)
	require.ErrorContains(t, err, "less than 1")
	_, err = ClassWeights([]int{1}, "sqrt", 0)
	require.ErrorContains(t, err, "inverse_root")
	_, err = ClassWeights([]int{0, 0}, Uniform, 0)
	require.ErrorIs(t, err, ErrNoData)
}

// TestWeightedOrder: over many epochs each image comes in proportion to its
// weight, in each epoch as often as expected, but for rounding.
func TestWeightedOrder(t *testing.T) {
	weights := []float64{1, 0, 3, 0.5, 0.25, 5.25}
	total := make([]int, len(weights))
	firsts := make([]int, len(weights))
	const epochs, n = 4000, 7
	for epoch := range epochs {
		order, err := WeightedOrder(weights, n, 3, epoch)
		require.NoError(t, err)
		require.Len(t, order, n)
		counts := make([]int, len(weights))
		for _, i := range order {
			counts[i]++
		}
		firsts[order[0]]++
		for i, c := range counts {
			require.Less(t, math.Abs(float64(c)-weights[i]*n/10), 1.0)
			total[i] += c
		}
	}
	for i, w := range weights {
		require.InDelta(t, w*n/10, float64(total[i])/epochs, 0.04, "image %d", i)
		require.InDelta(t, w/10, float64(firsts[i])/epochs, 0.04, "image %d in the first place", i)
	}
	one, _ := WeightedOrder(weights, n, 3, 5)
	same, _ := WeightedOrder(weights, n, 3, 5)
	require.Equal(t, one, same)
}

// TestWeightedOrderBalances a set of 90 to 10.
func TestWeightedOrderBalances(t *testing.T) {
	labels := classes(900, 100)
	weights, err := ClassWeights([]int{900, 100}, InverseFrequency, 0)
	require.NoError(t, err)
	order, err := WeightedOrder(ImageWeights(labels, weights), 1000, 1, 0)
	require.NoError(t, err)
	var counts [2]int
	for _, i := range order {
		counts[labels[i]]++
	}
	require.Equal(t, [2]int{500, 500}, counts)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(order))), 600, "all 100 rare images, and 500 of the others")
}

func TestWeightedOrderGolden(t *testing.T) {
	order, err := WeightedOrder([]float64{1, 2, 3, 4}, 10, 42, 1)
	require.NoError(t, err)
	require.Equal(t, []int32{2, 3, 1, 2, 1, 3, 2, 0, 3, 3}, order)
}

func TestWeightedOrderRefuses(t *testing.T) {
	f := func(weights []float64, n int, want string) {
		t.Helper()
		_, err := WeightedOrder(weights, n, 0, 0)
		require.ErrorContains(t, err, want)
	}
	f([]float64{1}, 0, "at least 1")
	f([]float64{1, -1}, 1, "image 1 is -1")
	f([]float64{math.NaN()}, 1, "NaN")
	f([]float64{0, 0}, 1, "sum is 0")
	f(nil, 1, "sum is 0")
}
