package drift

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// draws without drift, of which 20 should have p of 0.05 or less. Between 8 and 34 is where a binomial count lies in 998 of 1,000 cases.
const draws = 400

func wrong(t *testing.T, least int, p func(rng *rand.Rand, seed uint64) float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(2, 0))
	alarms := 0
	for i := range draws {
		if p(rng, uint64(i)) <= 0.05 {
			alarms++
		}
	}
	t.Logf("%d of %d", alarms, draws)
	assert.GreaterOrEqual(t, alarms, least)
	assert.LessOrEqual(t, alarms, 34)
}

func TestWithoutDriftKS(t *testing.T) {
	for _, n := range []int{1000, 10_001} { // exact, limit
		wrong(t, 8, func(rng *rand.Rand, _ uint64) float64 {
			_, p := KS(sorted(rng, n, 0), sorted(rng, 200, 0))
			return p
		})
	}
}

func TestWithoutDriftChiSquare(t *testing.T) {
	mix := []float64{0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.03, 0.01, 0.005, 0.005}
	count := func(rng *rand.Rand, n int) []int {
		counts := make([]int, len(mix))
		for range n {
			at, u := 0, rng.Float64()
			for ; at < len(mix)-1 && u >= mix[at]; at++ {
				u -= mix[at]
			}
			counts[at]++
		}
		return counts
	}
	wrong(t, 8, func(rng *rand.Rand, _ uint64) float64 {
		_, p, _ := ChiSquare(count(rng, 2000), count(rng, 300))
		return p
	})
}

func TestWithoutDriftPSI(t *testing.T) {
	wrong(t, 8, func(rng *rand.Rand, _ uint64) float64 {
		reference, window := sorted(rng, 2000, 0), sorted(rng, 500, 0)
		edges := Edges(reference, 10)
		psi := PSI(Shares(Bin(edges, reference)), Shares(Bin(edges, window)))
		return PSIPValue(psi, len(reference), len(window), len(edges)+1)
	})
}

func TestWithoutDriftMMD(t *testing.T) {
	for _, m := range []int{60, 120} {
		wrong(t, 8, func(rng *rand.Rand, seed uint64) float64 {
			_, p := NewMMD(normal(rng, 100, 8, 0)).Test(normal(rng, m, 8, 0), 200, seed)
			return p
		})
	}
}

func TestWithoutDriftClassifier(t *testing.T) {
	for _, c := range []struct{ dims, n, m, least int }{{33, 200, 150, 8}, {8, 120, 120, 8}, {1, 200, 200, 3}} {
		wrong(t, c.least, func(rng *rand.Rand, seed uint64) float64 {
			_, p := Classifier(normal(rng, c.n, c.dims, 0), normal(rng, c.m, c.dims, 0), seed)
			return p
		})
	}
}

// TestFindsDrift: a shift of a fifth of a deviation in each of 33 coordinates, or of half a one in a single number, is no secret.
func TestFindsDrift(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	reference := normal(rng, 300, 33, 0)
	mmd2, p := NewMMD(reference).Test(normal(rng, 200, 33, 0.2), 200, 1)
	assert.Greater(t, mmd2, 0.005)
	assert.Equal(t, 1.0/201, p)
	auc, p := Classifier(reference, normal(rng, 200, 33, 0.2), 1)
	assert.Greater(t, auc, 0.65)
	assert.Less(t, p, 1e-4)
	d, p := KS(sorted(rng, 2000, 0), sorted(rng, 200, 0.5))
	assert.Greater(t, d, 0.1)
	assert.Less(t, p, 1e-6)
}

func sorted(rng *rand.Rand, n int, shift float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = rng.NormFloat64() + shift
	}
	slices.Sort(values)
	return values
}

func normal(rng *rand.Rand, n, dims int, shift float64) [][]float32 {
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, dims)
		for k := range rows[i] {
			rows[i][k] = float32(rng.NormFloat64() + shift)
		}
	}
	return rows
}
