package evaluate_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/evaluate"
)

func TestReport(t *testing.T) {
	tally := evaluate.NewTally([]string{"cat", "dog", "frog"})
	assert.True(t, tally.Add(0, []float32{0.8, 0.1, 0.1}))
	assert.False(t, tally.Add(0, []float32{0.3, 0.6, 0.1}))
	assert.True(t, tally.Add(1, []float32{0.2, 0.7, 0.1}))
	assert.True(t, tally.Add(1, []float32{0, 1, 0}))
	r := tally.Report()

	assert.Equal(t, 4, r.N)
	assert.Equal(t, 0.75, r.Accuracy)
	assert.Equal(t, 1.0, r.Top5Accuracy)
	assert.Equal(t, [][]int{{1, 1, 0}, {0, 2, 0}, {0, 0, 0}}, r.Confusion)
	assert.Equal(t, []evaluate.Pair{{Truth: 0, Predicted: 1, N: 1}}, r.Confused)
	assert.Equal(t, evaluate.Class{Label: "cat", N: 2, Predicted: 1, Precision: 1, Recall: 0.5, F1: 2.0 / 3}, r.PerClass[0])
	assert.InDelta(t, 2.0/3, r.PerClass[1].Precision, 1e-9)
	assert.Equal(t, evaluate.Class{Label: "frog"}, r.PerClass[2])
	// The frog, which is neither shown nor named, counts in no mean.
	assert.InDelta(t, 0.75, r.BalancedAccuracy, 1e-9)
	assert.InDelta(t, (1+2.0/3)/2, r.Macro.Precision, 1e-9)
	// Four answers alone in their bins: |0.8-1|, |0.6-0|, |0.7-1|, |1-1|.
	assert.InDelta(t, (0.2+0.6+0.3+0)/4, r.ECE, 1e-6)
	assert.InDelta(t, r.ECE, r.AdaptiveECE, 1e-6)
	assert.InDelta(t, 0.6, r.Calibration.MaxError, 1e-6)
	assert.InDelta(t, (0.22314+1.20397+0.35667+0)/4, r.LogLoss, 1e-4)
	assert.InDelta(t, (0.06+0.86+0.14+0)/4, r.BrierScore, 1e-6)
}

func TestTopFive(t *testing.T) {
	labels := []string{"a", "b", "c", "d", "e", "f"}
	tally := evaluate.NewTally(labels)
	p := []float32{0.3, 0.25, 0.2, 0.15, 0.07, 0.03}
	for i := range labels {
		tally.Add(i, p)
	}
	assert.InDelta(t, 5.0/6, tally.Report().Top5Accuracy, 1e-9)
}

func TestNothing(t *testing.T) {
	r := evaluate.NewTally([]string{"a"}).Report()
	assert.Zero(t, r.Accuracy)
	assert.Equal(t, [2]float64{0, 1}, r.AccuracyInterval)
	assert.Zero(t, r.ECE)
	assert.Panics(t, func() { evaluate.NewTally([]string{"a"}).Add(1, []float32{1}) })

	empty := evaluate.Answers{Labels: []string{"a", "b"}}
	roc, pr := evaluate.Curves(empty)
	assert.True(t, math.IsNaN(roc.Macro.Area) && math.IsNaN(roc.Micro.Area) && math.IsNaN(pr.Macro.Area))
	assert.Empty(t, evaluate.WorstMistakes(empty, 3))
	assert.Empty(t, evaluate.CoverageCurve(empty))
	assert.Equal(t, 1.0, evaluate.Recalibrate(empty, 1).Temperature)
}

// Intervals of scipy.stats.binomtest(k, n).proportion_ci(method="wilson").
func TestWilson(t *testing.T) {
	f := func(k, n int, low, high float64) {
		t.Helper()
		gotLow, gotHigh := evaluate.Wilson(k, n)
		assert.InDelta(t, low, gotLow, 1e-6)
		assert.InDelta(t, high, gotHigh, 1e-6)
	}
	f(0, 10, 0, 0.2775328)
	f(10, 10, 0.7224672, 1)
	f(5, 10, 0.2365931, 0.7634069)
	f(4550, 5000, 0.9017496, 0.9176208)
	f(0, 0, 0, 1)
}

// TestManyClasses: a whole matrix of a hundred thousand classes would take 80 GB.
func TestManyClasses(t *testing.T) {
	labels := make([]string, 100_000)
	p := make([]float32, len(labels))
	p[7] = 1
	tally := evaluate.NewTally(labels)
	tally.Add(9, p)
	r := tally.Report()
	assert.Nil(t, r.Confusion)
	assert.Equal(t, []evaluate.Pair{{Truth: 9, Predicted: 7, N: 1}}, r.Confused)
}

// draw makes answers of a classifier that is right now and then, and whose class
// "never" has no images.
func draw(n int, scale float64) (a evaluate.Answers, logits [][]float32) {
	rng := rand.New(rand.NewPCG(3, 5))
	a.Labels = []string{"a", "b", "c", "d", "e", "f", "g", "never"}
	for range n {
		truth := rng.IntN(7)
		row, p := make([]float32, 8), make([]float32, 8)
		for j := range row {
			row[j] = float32(scale * rng.NormFloat64())
		}
		row[truth] += float32(1.5 * scale)
		total := 0.0
		for _, z := range row {
			total += math.Exp(float64(z))
		}
		for j, z := range row {
			p[j] = float32(math.Exp(float64(z)) / total)
		}
		a.Truth = append(a.Truth, truth)
		a.Probabilities = append(a.Probabilities, p)
		logits = append(logits, row)
	}
	return a, logits
}

// TestThinned: a long curve keeps its ends, its order and, nearly, its area.
func TestThinned(t *testing.T) {
	a, _ := draw(20_000, 1)
	roc, pr := evaluate.Curves(a)
	for _, c := range slices.Concat(roc.PerClass[:7], []evaluate.Curve{roc.Micro, roc.Macro}) {
		assert.Less(t, len(c.X), 600)
		assert.Equal(t, []float64{0, 1, 1}, []float64{c.X[0], c.X[len(c.X)-1], c.Y[len(c.Y)-1]})
		area := 0.0
		for i := 1; i < len(c.X); i++ {
			require.GreaterOrEqual(t, c.X[i], c.X[i-1])
			require.GreaterOrEqual(t, c.Y[i], c.Y[i-1])
			area += (c.X[i] - c.X[i-1]) * (c.Y[i] + c.Y[i-1]) / 2
		}
		assert.InDelta(t, c.Area, area, 2e-3, c.Label)
	}
	assert.True(t, math.IsNaN(roc.PerClass[7].Area))
	assert.Empty(t, pr.PerClass[7].X)
	assert.Less(t, len(pr.Micro.X), 600)
	assert.Equal(t, 1.0, pr.Micro.X[len(pr.Micro.X)-1])
}

func TestPerfectCurve(t *testing.T) {
	a := evaluate.Answers{Labels: []string{"a", "b"}, Truth: []int{0, 1, 0}, Probabilities: [][]float32{{1, 0}, {0, 1}, {1, 0}}}
	roc, pr := evaluate.Curves(a)
	assert.Equal(t, 1.0, roc.Macro.Area)
	assert.Equal(t, 1.0, pr.Micro.Area)
	assert.Equal(t, []float64{0, 0, 1}, roc.PerClass[0].X)
	assert.Equal(t, []float64{math.Inf(1), 1, 0}, roc.PerClass[0].Threshold)
	assert.Equal(t, 1.0, roc.Macro.Y[0])
}

func TestWorstMistakes(t *testing.T) {
	a := evaluate.Answers{
		Labels: []string{"a", "b"}, Truth: []int{0, 0, 1},
		Probabilities: [][]float32{{0.4, 0.6}, {0.9, 0.1}, {0.8, 0.2}},
	}
	want := evaluate.Mistake{Image: 2, Truth: 1, Predicted: 0, Confidence: 0.8, TruthProbability: 0.2}
	assert.Equal(t, []evaluate.Mistake{want}, evaluate.WorstMistakes(a, 1))
	assert.Len(t, evaluate.WorstMistakes(a, 9), 2)

	c := evaluate.CoverageCurve(a)
	require.Len(t, c, 3)
	assert.Equal(t, 1.0, c[0].Accuracy)
	assert.InDelta(t, 1.0/3, c[0].Answered, 1e-9)
	assert.InDelta(t, 0.9, c[0].Threshold, 1e-6)
	assert.Equal(t, 1.0, c[2].Answered)
	assert.InDelta(t, 1.0/3, c[2].Accuracy, 1e-9)
}
