//go:build interop

package accuracy

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
)

func ask(t *testing.T, script string, in, out any) {
	t.Helper()
	python := interop.Python(t, "nannyml")
	text, err := json.Marshal(in)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "answers.json")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	require.NoError(t, json.Unmarshal([]byte(interop.Run(t, python, script, file)), out))
}

// TestInteropScikitLearn: the map is that of IsotonicRegression, also where many scores are equal.
func TestInteropScikitLearn(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 0))
	var cases []fitted
	for _, digits := range []float64{1e9, 1e9, 100, 10} {
		c := fitted{}
		c.Score, c.Correct = traffic(rng, 3000)
		for i, s := range c.Score {
			c.Score[i] = math.Round(s*digits) / digits
		}
		for range 500 {
			c.At = append(c.At, 1.4*rng.Float64()-0.2)
		}
		cases = append(cases, c)
	}
	var want []answer
	ask(t, "testdata/referee.py", cases, &want)
	judge(t, cases, want)
}

// TestInteropNannyML: CBPE estimates the same accuracy, of windows like the reference and of others.
func TestInteropNannyML(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 0))
	var in struct {
		Score   []float64   `json:"score"`
		Correct []bool      `json:"correct"`
		Windows [][]float64 `json:"windows"`
	}
	in.Score, in.Correct = traffic(rng, 3000)
	for _, power := range []float64{1, 0.5, 3} {
		window, _ := traffic(rng, 500)
		for i, s := range window {
			window[i] = math.Pow(s, power)
		}
		in.Windows = append(in.Windows, window)
	}
	var want [][2]any // accuracy, and whether it found that the confidence needs a map
	ask(t, "testdata/cbpe.py", in, &want)
	require.Len(t, want, len(in.Windows))
	m := FitIsotonic(in.Score, in.Correct)
	for i, window := range in.Windows {
		require.Equal(t, true, want[i][1])
		assert.InDelta(t, want[i][0], m.Estimate(window, 0).Accuracy, 1e-9, "window %d", i)
	}
}
