package drift

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKSLimit: where the exact distribution is left, the limit is close to it.
func TestKSLimit(t *testing.T) {
	const n, m = 2000, 500
	for h := 40; h <= 2000; h += 7 {
		exact, limit := ksExact(n, m, h), ksLimit(float64(h)/n, n*m/(n+m))
		assert.InDelta(t, exact, limit, 0.006, "h %d", h)
		if exact < 0.05 && float64(h)/n <= 0.131 {
			assert.InDelta(t, 1, limit/exact, 0.05, "h %d", h)
		}
	}
	rng := rand.New(rand.NewPCG(4, 0))
	d, p := KS(sorted(rng, n, 0), sorted(rng, m, 3))
	assert.Greater(t, d, 0.8)
	assert.Less(t, p, 1e-100)
}

// TestKSPaths counts all orders of two small samples.
func TestKSPaths(t *testing.T) {
	for n := 1; n <= 5; n++ {
		for m := 1; m <= 5; m++ {
			reached := map[int]float64{} // distance in steps: orders
			total := 0.0
			var walk func(i, j, most int)
			walk = func(i, j, most int) {
				g := gcd(n, m)
				most = max(most, i*m/g-j*n/g, j*n/g-i*m/g)
				if i == n && j == m {
					reached[most]++
					total++
					return
				}
				if i < n {
					walk(i+1, j, most)
				}
				if j < m {
					walk(i, j+1, most)
				}
			}
			walk(0, 0, 0)
			for h := range reached {
				orders := 0.0
				for other, count := range reached {
					if other >= h {
						orders += count
					}
				}
				assert.InDelta(t, orders/total, ksExact(n, m, h), 1e-12, "%d and %d values, %d steps", n, m, h)
			}
		}
	}
}

func TestNothingToCompare(t *testing.T) {
	f := func(statistic, p, wantStatistic float64) {
		t.Helper()
		assert.Equal(t, wantStatistic, statistic)
		assert.Equal(t, 1.0, p)
	}
	d, p := KS(nil, []float64{1})
	f(d, p, 0)
	statistic, p, dof := ChiSquare([]int{0, 0}, []int{3, 4})
	f(statistic, p, 0)
	assert.Zero(t, dof)
	statistic, p, _ = ChiSquare([]int{100, 0}, []int{30, 0})
	f(statistic, p, 0)
	one := [][]float32{{1, 2}}
	mmd2, p := NewMMD(one).Test([][]float32{{1, 2}, {3, 4}}, 100, 0)
	f(mmd2, p, 0)
	auc, p := Classifier(one, [][]float32{{1, 2}, {3, 4}}, 0)
	f(auc, p, 0.5)
	assert.Equal(t, 1.0, PSIPValue(3, 10, 10, 1))
	assert.Empty(t, Holm(nil))
	assert.Panics(t, func() { ChiSquare([]int{1}, []int{1, 2}) })
	assert.Panics(t, func() { PSI([]float64{1}, nil) })
}

// TestEqualRows: constant embeddings, as of a dead network, are no drift and no division by zero.
func TestEqualRows(t *testing.T) {
	rows := func(n int, v float32) [][]float32 { return slices.Repeat([][]float32{{v, 1}}, n) }
	mmd2, p := NewMMD(rows(30, 5)).Test(rows(20, 5), 100, 1)
	assert.InDelta(t, 0, mmd2, 1e-9)
	assert.Equal(t, 1.0, p)
	auc, p := Classifier(rows(30, 5), rows(20, 5), 1)
	assert.Equal(t, 0.5, auc)
	assert.Equal(t, 1.0, p)
	_, p = NewMMD(rows(30, 5)).Test(rows(20, 7), 100, 1)
	assert.Equal(t, 1.0/101, p)
	auc, p = Classifier(rows(30, 5), rows(20, 7), 1)
	assert.Equal(t, 1.0, auc)
	assert.Less(t, p, 1e-5)
}

// TestNotFinite: values that are not known, or that a broken network gives, do not hang a test.
func TestNotFinite(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	d, p := KS([]float64{nan, nan, 1, 2, 3, inf}, []float64{nan, 4, 5, inf})
	wantD, wantP := KS([]float64{1, 2, 3, 9}, []float64{4, 5, 9})
	assert.Equal(t, []float64{wantD, wantP}, []float64{d, p})
	KS([]float64{1, nan, 2}, []float64{nan, 3, nan}) // not as promised
	d, _ = KS([]float64{nan}, []float64{1})
	assert.Zero(t, d)
	assert.Equal(t, []float64{1, 2}, Edges([]float64{nan, 1, 2, 3}, 3))

	rng := rand.New(rand.NewPCG(7, 0))
	reference, window := normal(rng, 40, 3, 0), normal(rng, 30, 3, 2)
	window[3][1], window[4][2] = float32(nan), float32(inf)
	auc, p := Classifier(reference, window, 1)
	assert.Greater(t, auc, 0.8) // by the first column
	assert.Less(t, p, 0.01)
	window[5][0] = float32(nan)
	auc, p = Classifier(reference, window, 1)
	assert.Equal(t, []float64{0.5, 1}, []float64{auc, p})
	mmd2, _ := NewMMD(reference).Test(window, 50, 1)
	assert.True(t, math.IsNaN(mmd2))
}

// TestMMDWindows: what a test leaves behind, also one of another size, does not change the next; groups may be of any sizes.
func TestMMDWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	reference, small, large := normal(rng, 60, 4, 0), normal(rng, 20, 4, 0.3), normal(rng, 90, 4, 0.3)
	used := NewMMD(reference)
	for _, window := range [][][]float32{small, large, small, reference[:2], large} {
		mmd2, p := used.Test(window, 50, 9)
		freshMMD2, freshP := NewMMD(reference).Test(window, 50, 9)
		assert.Equal(t, freshMMD2, mmd2)
		assert.Equal(t, freshP, p)
	}
	forth, _ := NewMMD(reference).Test(small, 0, 0)
	moved := slices.Clone(large)
	for i, row := range moved {
		moved[i] = []float32{row[0] + 1000, row[1], row[2], row[3]}
	}
	far, _ := NewMMD(reference).Test(moved, 0, 0)
	assert.Greater(t, far, 10*forth)
}

// TestPermutations: an early end says the same about p as all permutations do.
func TestPermutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 0))
	early := 0
	for i := range 40 {
		m := NewMMD(normal(rng, 40, 3, 0))
		window := normal(rng, 30, 3, 0.1*float64(i%5))
		mmd2, p := m.Test(window, 200, 1)
		m.add(window)
		d, reached := newDivision(m, 40, 30), 0
		source, group := rand.NewPCG(2, 0), make([]uint16, 30)
		for range 2000 {
			choose(group, 70, source)
			require.True(t, slices.IsSorted(group) && int(group[29]) < 70 && len(slices.Compact(slices.Clone(group))) == 30)
			if d.statistics([][]uint16{group})[0] >= mmd2 {
				reached++
			}
		}
		share := float64(reached) / 2000
		if p*201 != math.Round(p*201) {
			early++
			assert.GreaterOrEqual(t, p, 0.1)
		}
		assert.InDelta(t, share, p, 4*math.Sqrt(share/20)+0.02, "window %d", i)
	}
	assert.Greater(t, early, 10)
}

func TestExp(t *testing.T) {
	var x []float32
	for v := float32(0); v > -100; v -= 0.0137 {
		x = append(x, v)
	}
	got := slices.Clone(append(x, 1e-7, -1e-9, -1e30))
	exp32(got)
	for i, v := range x {
		want := math.Exp(float64(v))
		assert.InDelta(t, want, float64(got[i]), 2e-7*want+2e-38)
	}
	assert.Equal(t, []float32{1, 1}, got[len(x):len(x)+2])
	assert.Less(t, got[len(x)+2], float32(1e-37))
}

// Merged by hand: of a share of a sixth 30 of both are needed to expect 5.
func TestChiSquareMerges(t *testing.T) {
	f := func(reference, window, mergedReference, mergedWindow []int) {
		t.Helper()
		statistic, p, dof := ChiSquare(reference, window)
		wantStatistic, wantP, wantDOF := ChiSquare(mergedReference, mergedWindow)
		assert.InDelta(t, wantStatistic, statistic, 1e-9)
		assert.InDelta(t, wantP, p, 1e-9)
		assert.Equal(t, wantDOF, dof)
		assert.Equal(t, len(mergedReference)-1, dof)
	}
	f([]int{400, 480, 20, 15, 85}, []int{80, 100, 4, 6, 10}, []int{400, 480, 85, 35}, []int{80, 100, 10, 10})
	f([]int{400, 580, 5, 0, 15}, []int{80, 117, 0, 3, 0}, []int{420, 580}, []int{83, 117}) // the rest is too small by itself
	f([]int{400, 600, 0}, []int{80, 120, 0}, []int{400, 600}, []int{80, 120})
}

func TestBins(t *testing.T) {
	f := func(reference []float64, bins int, want []float64) {
		t.Helper()
		assert.Equal(t, want, Edges(reference, bins))
	}
	below := math.Nextafter(32, 0)
	f([]float64{1, 2, 3, 4, 5, 6, 7, 8}, 4, []float64{2, 4, 6})
	f(slices.Repeat([]float64{32}, 9), 3, []float64{below, 32})
	f([]float64{1, 2, 3, 32, 32, 32, 32, 32, 99}, 3, []float64{3, below, 32})
	f([]float64{1, 2, 32, 32, 32, 32}, 3, []float64{2, below, 32})
	f([]float64{1, 32, 32, 32, 32, 40}, 3, []float64{below, 32})
	f([]float64{1, 2}, 10, []float64{1})
	f(nil, 3, nil)
	edges := []float64{2, 4, 6}
	assert.Equal(t, []int{3, 1, 0, 2}, Bin(edges, []float64{-9, 2, 1, 2.5, math.Inf(1), 7, math.NaN()}))
	assert.Equal(t, []float64{0.5, 0.25, 0, 0.25}, Shares([]int{2, 1, 0, 1}))
	assert.Equal(t, []float64{0, 0}, Shares([]int{0, 0}))
	// A window of smaller images is seen.
	constant := Edges(slices.Repeat([]float64{32}, 100), 10)
	psi := PSI(Shares(Bin(constant, slices.Repeat([]float64{32}, 100))), Shares(Bin(constant, slices.Repeat([]float64{16}, 100))))
	assert.Greater(t, psi, 10.0)
}
