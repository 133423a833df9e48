package evaluate_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/evaluate"
)

// TestFitTemperature: logits that were multiplied by three are three times too
// sure of themselves.
func TestFitTemperature(t *testing.T) {
	a, logits := draw(5000, 1)
	plain, _, _ := evaluate.FitTemperature(logits, a.Truth)
	for _, row := range logits {
		for j := range row {
			row[j] *= 3
		}
	}
	hot, before, after := evaluate.FitTemperature(logits, a.Truth)
	assert.InEpsilon(t, 3*plain, hot, 1e-6)
	assert.Less(t, after.LogLoss, before.LogLoss)
	assert.Less(t, after.ECE, 0.03)
	assert.Greater(t, before.ECE, 0.05)
	assert.Equal(t, before.Accuracy, after.Accuracy, "a temperature changes no answer")

	crossed := evaluate.CrossFit(logits, a.Truth)
	assert.InDelta(t, after.LogLoss, crossed.LogLoss, 1e-3)
	assert.GreaterOrEqual(t, crossed.LogLoss, after.LogLoss, "the fit cannot do better on images it has not seen")
}

// TestFitTemperatureEnds: where the loss has no minimum, the fit stops at the end
// of its range.
func TestFitTemperatureEnds(t *testing.T) {
	f := func(want float64, logits [][]float32, labels ...int) {
		t.Helper()
		got, _, after := evaluate.FitTemperature(logits, labels)
		assert.InDelta(t, want, got, 1e-9)
		assert.False(t, math.IsNaN(after.LogLoss))
	}
	f(0.01, [][]float32{{1, 0}, {0, 1}}, 0, 1) // always right
	f(100, [][]float32{{1, 0}, {0, 1}}, 1, 0)  // always wrong
	f(1, [][]float32{{2, 2}, {0, 0}}, 1, 0)    // knows nothing
	f(1, nil)
	f(0.01, [][]float32{{1000, -1000, 0}}, 0)
}

// TestRecalibrate: probabilities that were served at some temperature lead back to
// the same best one.
func TestRecalibrate(t *testing.T) {
	a, logits := draw(3000, 2)
	want, before, _ := evaluate.FitTemperature(logits, a.Truth)
	r := evaluate.Recalibrate(a, 1)
	assert.InEpsilon(t, want, r.Temperature, 1e-4)
	assert.Equal(t, r.Plain, r.AsServed)
	assert.InDelta(t, before.LogLoss, r.Plain.LogLoss, 1e-4)

	served := a
	served.Probabilities = nil
	for _, row := range a.Probabilities { // p^(1/2.5), normalised
		p, total := make([]float32, len(row)), 0.0
		for j, q := range row {
			p[j] = float32(math.Pow(float64(q), 1/2.5))
			total += float64(p[j])
		}
		for j := range p {
			p[j] /= float32(total)
		}
		served.Probabilities = append(served.Probabilities, p)
	}
	again := evaluate.Recalibrate(served, 2.5)
	assert.InEpsilon(t, want, again.Temperature, 1e-3)
	assert.InDelta(t, r.Plain.LogLoss, again.Plain.LogLoss, 1e-4)
	assert.InDelta(t, evaluate.Measure(served).LogLoss, again.AsServed.LogLoss, 1e-5)
}
