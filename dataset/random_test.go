package dataset

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPermutationGolden: the order of an epoch is part of what makes a run
// repeatable, so it may not change with a Go release or a refactoring.
func TestPermutationGolden(t *testing.T) {
	f := func(n int, seed uint64, epoch int, want ...int32) {
		t.Helper()
		require.Equal(t, want, Permutation(n, seed, epoch))
	}
	f(10, 0, 0, 6, 8, 4, 5, 7, 1, 0, 3, 2, 9)
	f(10, 0, 1, 0, 7, 5, 9, 3, 8, 1, 6, 4, 2)
	f(10, 42, 0, 3, 6, 2, 1, 4, 8, 9, 7, 0, 5)
	f(1, 7, 7, 0)
}

func TestPermutationIsOne(t *testing.T) {
	for epoch := range 50 {
		p := Permutation(1000, 3, epoch)
		slices.Sort(p)
		for i, v := range p {
			require.EqualValues(t, i, v)
		}
	}
	require.Empty(t, Permutation(0, 1, 1))
}

// TestPermutationIsFair counts where each of 5 values lands in 10,000 epochs:
// 2,000 times at each place, give or take five standard deviations.
func TestPermutationIsFair(t *testing.T) {
	var count [5][5]int
	for epoch := range 10_000 {
		for place, v := range Permutation(5, 1, epoch) {
			count[v][place]++
		}
	}
	for v := range count {
		for place, n := range count[v] {
			require.InDelta(t, 2000, n, 200, "value %d at place %d", v, place)
		}
	}
}
