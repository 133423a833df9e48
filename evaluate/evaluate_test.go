package evaluate_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

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
	assert.Equal(t, evaluate.Class{Label: "cat", N: 2, Precision: 1, Recall: 0.5, F1: 2.0 / 3}, r.PerClass[0])
	assert.InDelta(t, 2.0/3, r.PerClass[1].Precision, 1e-9)
	assert.Equal(t, evaluate.Class{Label: "frog"}, r.PerClass[2])
	// Four answers alone in their bins: |0.8-1|, |0.6-0|, |0.7-1|, |1-1|.
	assert.InDelta(t, (0.2+0.6+0.3+0)/4, r.ECE, 1e-6)
	assert.InDelta(t, (0.22314+1.20397+0.35667+0)/4, r.LogLoss, 1e-4)
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
	assert.Zero(t, r.ECE)
	assert.Panics(t, func() { evaluate.NewTally([]string{"a"}).Add(1, []float32{1}) })
}
