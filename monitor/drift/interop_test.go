//go:build interop

package drift

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
)

// ask hands samples to a script and reads its answers.
func ask(t *testing.T, python, script string, in, out any) {
	t.Helper()
	text, err := json.Marshal(in)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "samples.json")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	require.NoError(t, json.Unmarshal([]byte(interop.Run(t, python, script, file)), out))
}

// TestInteropScipy: the figures of scipy, statsmodels and scikit-learn for samples of the sizes that are served with.
func TestInteropScipy(t *testing.T) {
	python := interop.Python(t, "statistics")
	rng := rand.New(rand.NewPCG(11, 0))
	var s samples
	for _, c := range []struct {
		n, m  int
		shift float64
	}{{2000, 500, 0}, {2000, 500, 0.1}, {2000, 500, 0.2}, {2000, 499, 0.05}, {1000, 1000, 0.05}, {300, 7000, 0.05}} {
		s.KS = append(s.KS, pair[[]float64]{sorted(rng, c.n, 0), sorted(rng, c.m, c.shift)})
	}
	s.KS = append(s.KS, pair[[]float64]{rounded(sorted(rng, 2000, 0)), rounded(sorted(rng, 500, 0.1))})
	for range 5 {
		counts := pair[[]int]{make([]int, 100), make([]int, 100)}
		for c := range 100 {
			if c%7 != 0 {
				counts.Reference[c], counts.Window[c] = 50+rng.IntN(100), 20+rng.IntN(30)
			}
		}
		s.ChiSquare = append(s.ChiSquare, counts)
	}
	for _, shift := range []float64{0, 0.1, 1, 4} {
		reference, window := sorted(rng, 2000, 0), sorted(rng, 500, shift)
		edges := Edges(reference, 10)
		s.PSI = append(s.PSI, shares{pair[[]float64]{Shares(Bin(edges, reference)), Shares(Bin(edges, window))}, 2000, 500})
	}
	p := make([]float64, 1000)
	for i := range p {
		p[i] = rng.Float64() * rng.Float64() / 100
	}
	s.Adjusted = [][]float64{p}
	for _, shift := range []float64{0, 0.1, 1} {
		rows := pair[[][]float32]{normal(rng, 500, 33, 0), normal(rng, 400, 33, shift)}
		s.MMD, s.Logistic = append(s.MMD, rows), append(s.Logistic, rows)
	}
	s.Projection = []projected{{normal(rng, 400, 64, 0.5), 32}}
	classes := make([]int, 400)
	for i := range classes {
		classes[i] = i % 4
	}
	s.Mahalanobis = []scored{{normal(rng, 400, 33, 1), classes, normal(rng, 20, 33, 2)}}

	var want answers
	ask(t, python, "testdata/referee.py", s, &want)
	judge(t, s, want)
}

// TestInteropLargeSamples: above 10,000 values scipy does not count paths, either.
func TestInteropLargeSamples(t *testing.T) {
	python := interop.Python(t, "statistics")
	rng := rand.New(rand.NewPCG(12, 0))
	var s samples
	for _, shift := range []float64{0, 0.03, 0.1, 0.2} {
		s.KS = append(s.KS, pair[[]float64]{sorted(rng, 20_000, 0), sorted(rng, 500, shift)})
	}
	var want answers
	ask(t, python, "testdata/referee.py", s, &want)
	for i, c := range s.KS {
		d, p := KS(c.Reference, c.Window)
		assert.InDelta(t, want.KS[i][0], d, 1e-12)
		assert.InDelta(t, want.KS[i][1], p, 1e-4, "sample %d", i)
	}
}

// TestInteropAlibiDetect: its MMDDrift chooses the same bandwidth and finds the same distance, and as its permutations are others, a p
// that differs by chance alone. Its KSDrift takes the limiting distribution for all columns and decides by Bonferroni.
func TestInteropAlibiDetect(t *testing.T) {
	python := interop.Python(t, "alibi-detect")
	rng := rand.New(rand.NewPCG(13, 0))
	type rows = pair[[][]float32]
	type both struct {
		MMD []rows `json:"mmd"`
		KS  []rows `json:"ks"`
	}
	var s both
	for _, shift := range []float64{0, 0.03, 0.06, 0.3} {
		r := rows{normal(rng, 150, 10, 1), normal(rng, 100, 10, 1+shift)}
		s.MMD, s.KS = append(s.MMD, r), append(s.KS, r)
	}
	var want struct {
		MMD [][3]float64
		KS  []struct {
			D, P  []float64
			Drift int
		}
	}
	ask(t, python, "testdata/alibi.py", s, &want)
	require.Len(t, want.MMD, len(s.MMD))
	require.Len(t, want.KS, len(s.KS))
	for i, c := range s.MMD {
		m := NewMMD(c.Reference)
		mmd2, p := m.Test(c.Window, 2000, 1)
		assert.InDelta(t, want.MMD[i][0], mmd2, 1e-6, "window %d", i)
		assert.InDelta(t, want.MMD[i][1], m.Bandwidth(), 1e-4, "window %d", i)
		assert.InDelta(t, want.MMD[i][2], p, 0.12, "window %d", i) // four deviations of 300 permutations
	}
	for i, c := range s.KS {
		p := make([]float64, len(c.Reference[0]))
		for k := range p {
			var d float64
			d, p[k] = KS(column(c.Reference, k), column(c.Window, k))
			assert.InDelta(t, want.KS[i].D[k], d, 1e-6, "window %d, column %d", i, k)
			assert.InDelta(t, want.KS[i].P[k], ksLimit(d, 150*100/250), 5e-4, "window %d, column %d", i, k)
			assert.InDelta(t, want.KS[i].P[k], p[k], 0.02, "window %d, column %d", i, k)
		}
		assert.Equal(t, want.KS[i].Drift == 1, slices.Min(Bonferroni(p)) < 0.05, "window %d", i)
	}
}

func column(rows [][]float32, k int) []float64 {
	values := make([]float64, len(rows))
	for i, row := range rows {
		values[i] = float64(row[k])
	}
	slices.Sort(values)
	return values
}

// rounded makes ties.
func rounded(values []float64) []float64 {
	for i, v := range values {
		values[i] = float64(int(v*5)) / 5
	}
	return values
}
