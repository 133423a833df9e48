package drift

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// samples are what testdata/referee.py is given.
type samples struct {
	KS          []pair[[]float64]   `json:"ks"`
	ChiSquare   []pair[[]int]       `json:"chi_square"`
	PSI         []shares            `json:"psi"`
	Adjusted    [][]float64         `json:"adjusted"`
	MMD         []pair[[][]float32] `json:"mmd"`
	Logistic    []pair[[][]float32] `json:"logistic"`
	Projection  []projected         `json:"projection"`
	Mahalanobis []scored            `json:"mahalanobis"`
}

type pair[T any] struct {
	Reference T `json:"reference"`
	Window    T `json:"window"`
}

type shares struct {
	pair[[]float64]
	N int `json:"n"`
	M int `json:"m"`
}

type projected struct {
	Rows [][]float32 `json:"rows"`
	Dims int         `json:"dims"`
}

type scored struct {
	Rows    [][]float32 `json:"rows"`
	Classes []int       `json:"classes"`
	Queries [][]float32 `json:"queries"`
}

// answers are what it says of them.
type answers struct {
	KS         [][2]float64   `json:"ks"`         // d, p
	ChiSquare  [][3]float64   `json:"chi_square"` // statistic, p, dof
	PSI        [][3]float64   `json:"psi"`        // PSI, p, Jensen-Shannon
	Adjusted   [][2][]float64 `json:"adjusted"`   // Holm, Bonferroni
	MMD        [][2]float64   `json:"mmd"`        // mmd2, bandwidth
	Projection [][][]float64  `json:"projection"`
	Logistic   []struct {
		Coefficients, Scores []float64
		AUC, P               float64
	} `json:"logistic"`
	Mahalanobis []struct {
		Shrinkage float64
		Scores    []float64
	} `json:"mahalanobis"`
}

// TestGoldens: the figures of scipy, statsmodels and scikit-learn in testdata/goldens.json, which goldens.py beside it wrote.
func TestGoldens(t *testing.T) {
	text, err := os.ReadFile("testdata/goldens.json")
	require.NoError(t, err)
	var goldens struct {
		Samples samples
		Answers answers
	}
	require.NoError(t, json.Unmarshal(text, &goldens))
	judge(t, goldens.Samples, goldens.Answers)
}

func judge(t *testing.T, s samples, want answers) {
	t.Helper()
	judgeTests(t, s, want)
	judgeMMD(t, s, want)
	judgeLogistic(t, s, want)
	judgeProjection(t, s, want)
	judgeMahalanobis(t, s, want)
}

func judgeTests(t *testing.T, s samples, want answers) {
	require.Len(t, want.KS, len(s.KS))
	for i, c := range s.KS {
		d, p := KS(c.Reference, c.Window)
		near(t, want.KS[i][:], []float64{d, p}, 1e-9, "KS %d", i)
	}
	require.Len(t, want.ChiSquare, len(s.ChiSquare))
	for i, c := range s.ChiSquare {
		statistic, p, dof := ChiSquare(c.Reference, c.Window)
		near(t, want.ChiSquare[i][:], []float64{statistic, p, float64(dof)}, 1e-9, "chi-squared %d", i)
	}
	require.Len(t, want.PSI, len(s.PSI))
	for i, c := range s.PSI {
		psi := PSI(c.Reference, c.Window)
		got := []float64{psi, PSIPValue(psi, c.N, c.M, len(c.Reference)), JensenShannon(c.Reference, c.Window)}
		near(t, want.PSI[i][:], got, 1e-9, "PSI %d", i)
	}
	require.Len(t, want.Adjusted, len(s.Adjusted))
	for i, p := range s.Adjusted {
		near(t, want.Adjusted[i][0], Holm(p), 1e-12, "Holm %d", i)
		near(t, want.Adjusted[i][1], Bonferroni(p), 1e-12, "Bonferroni %d", i)
	}
}

// The kernel is of single precision.
func judgeMMD(t *testing.T, s samples, want answers) {
	require.Len(t, want.MMD, len(s.MMD))
	for i, c := range s.MMD {
		m := NewMMD(c.Reference)
		mmd2, _ := m.Test(c.Window, 0, 0)
		assert.InDelta(t, want.MMD[i][0], mmd2, 1e-6, "MMD %d", i)
		near(t, want.MMD[i][1:], []float64{m.Bandwidth()}, 1e-4, "bandwidth %d", i)
	}
}

func judgeLogistic(t *testing.T, s samples, want answers) {
	require.Len(t, want.Logistic, len(s.Logistic))
	for i, c := range s.Logistic {
		y, weight := make([]float64, len(c.Reference)+len(c.Window)), make([]float64, len(c.Reference)+len(c.Window))
		for k := range y {
			if weight[k] = 1; k >= len(c.Reference) {
				y[k] = 1
			}
		}
		beta := standardise(c.Reference, c.Window).fit(y, weight, 1)
		near(t, want.Logistic[i].Coefficients, beta, 1e-4, "coefficients %d", i)
		r := rankSum(want.Logistic[i].Scores, y, func(int) bool { return true })
		assert.InDelta(t, want.Logistic[i].AUC, r.u/r.pairs, 1e-12, "AUC %d", i)
		near(t, []float64{want.Logistic[i].P}, []float64{r.pValue(1)}, 1e-9, "p of Mann and Whitney %d", i)
	}
}

func judgeProjection(t *testing.T, s samples, want answers) {
	require.Len(t, want.Projection, len(s.Projection))
	for i, c := range s.Projection {
		p, err := FitProjection(c.Rows, c.Dims)
		require.NoError(t, err)
		for k, row := range c.Rows {
			got := p.Apply(nil, row)
			require.Len(t, got, len(want.Projection[i][k]))
			for j, v := range got {
				// The norm of nearly nothing is the root of a rounding error.
				assert.InDelta(t, want.Projection[i][k][j], v, map[bool]float64{true: 3e-3, false: 3e-5}[j == c.Dims], "projection %d, row %d, coordinate %d", i, k, j)
			}
		}
	}
}

func judgeMahalanobis(t *testing.T, s samples, want answers) {
	require.Len(t, want.Mahalanobis, len(s.Mahalanobis))
	for i, c := range s.Mahalanobis {
		m, err := FitMahalanobis(c.Rows, c.Classes, 5)
		require.NoError(t, err)
		assert.InDelta(t, want.Mahalanobis[i].Shrinkage, m.Shrinkage, 1e-6, "shrinkage %d", i)
		var got []float64
		for _, q := range c.Queries {
			got = append(got, float64(m.Score(q)))
		}
		near(t, want.Mahalanobis[i].Scores, got, 1e-4, "scores %d", i)
	}
}

// near compares numbers relative to their size.
func near(t *testing.T, want, got []float64, tolerance float64, format string, args ...any) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		assert.InDelta(t, want[i], got[i], tolerance*math.Abs(want[i])+1e-300, append([]any{format}, args...)...)
	}
}
