package dataset

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// classes makes labels with so many images of each class, mixed.
func classes(sizes ...int) []int64 {
	var labels []int64
	for l, n := range sizes {
		for range n {
			labels = append(labels, int64(l))
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	r.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
	return labels
}

func countsAt(labels []int64, indexes []int, n int) []int {
	counts := make([]int, n)
	for _, i := range indexes {
		counts[labels[i]]++
	}
	return counts
}

func TestSplit(t *testing.T) {
	f := func(fraction float64, sizes, want []int) {
		t.Helper()
		labels := classes(sizes...)
		rest, part, err := Split(labels, fraction, 1)
		require.NoError(t, err)
		require.Equal(t, want, countsAt(labels, part, len(sizes)))
		require.True(t, slices.IsSorted(part) && slices.IsSorted(rest))
		all := slices.Sorted(slices.Values(slices.Concat(part, rest)))
		for i, v := range all {
			require.Equal(t, i, v)
		}
		require.Len(t, all, len(labels))
	}
	f(0.1, []int{100, 50, 10}, []int{10, 5, 1})
	f(0.25, []int{5, 5, 5, 5}, []int{2, 1, 1, 1}) // 5 of 1.25 each: what is left goes to the first
	f(0.5, []int{1, 1, 8}, []int{0, 0, 5})        // a class of one image keeps it
	f(0.9, []int{2, 2}, []int{1, 1})
	f(0.2, []int{3, 7}, []int{1, 1})
}

// TestSplitProperties: for any sizes, a class's share is within one image of the
// fraction, and the same seed gives the same split.
func TestSplitProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		sizes := make([]int, 1+r.IntN(12))
		for i := range sizes {
			sizes[i] = 2 + r.IntN(60)
		}
		labels := classes(sizes...)
		fraction, seed := 0.05+0.4*r.Float64(), r.Uint64()
		_, part, err := Split(labels, fraction, seed)
		if err != nil {
			require.Less(t, fraction*float64(len(labels)), 0.5)
			continue
		}
		require.InDelta(t, fraction*float64(len(labels)), len(part), 0.5000001)
		for c, n := range countsAt(labels, part, len(sizes)) {
			require.InDelta(t, fraction*float64(sizes[c]), n, 1.5, "class %d of %d", c, sizes[c])
		}
		_, again, err := Split(labels, fraction, seed)
		require.NoError(t, err)
		require.Equal(t, part, again)
	}
	labels := classes(100, 100)
	_, one, _ := Split(labels, 0.2, 1)
	_, two, _ := Split(labels, 0.2, 2)
	require.NotEqual(t, one, two)
}

// TestSplitGolden: a resumed run must validate on the images that it held out.
func TestSplitGolden(t *testing.T) {
	_, part, err := Split([]int64{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, 0.25, 42)
	require.NoError(t, err)
	require.Equal(t, []int{0, 9, 13, 14}, part)
}

func TestSplitRefuses(t *testing.T) {
	f := func(fraction float64, labels []int64, want string) {
		t.Helper()
		_, _, err := Split(labels, fraction, 0)
		require.ErrorContains(t, err, want)
	}
	f(0, classes(5, 5), "above 0")
	f(1, classes(5, 5), "below 1")
	f(-0.5, classes(5, 5), "above 0")
	f(0.1, classes(1, 1, 1), "would be empty")
	f(0.01, classes(5, 5), "would be empty")
	f(0.5, nil, "would be empty")
}

func TestFolds(t *testing.T) {
	labels := classes(10, 7, 23)
	folds, err := Folds(labels, 5, 9)
	require.NoError(t, err)
	var all []int
	for i, fold := range folds {
		require.Len(t, fold, 8)
		counts := countsAt(labels, fold, 3)
		require.Equal(t, 2, counts[0])
		require.Contains(t, []int{1, 2}, counts[1])
		require.Contains(t, []int{4, 5}, counts[2])
		all = append(all, fold...)
		rest := Without(folds, i)
		require.Len(t, rest, 32)
		for _, v := range fold {
			require.NotContains(t, rest, v)
		}
	}
	slices.Sort(all)
	require.Len(t, slices.Compact(all), 40)

	_, err = Folds(labels, 8, 9)
	require.ErrorContains(t, err, "class 1 has only 7 images")
	_, err = Folds(labels, 1, 9)
	require.ErrorContains(t, err, "2 or more")
}
