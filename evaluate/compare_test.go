package evaluate_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/evaluate"
)

func TestCompare(t *testing.T) {
	a, b := []float32{0.9, 0.1}, []float32{0.2, 0.8} // answers: the first class, the second
	newer := evaluate.Answers{Labels: []string{"cat", "dog"}, Truth: []int{0, 0, 0, 1, 1}, Probabilities: [][]float32{a, a, b, b, a}}
	older := evaluate.Answers{Labels: []string{"dog", "cat"}, Truth: []int{1, 1, 1, 0, 0}, Probabilities: [][]float32{b, a, a, a, a}}
	c := evaluate.Compare(newer, older)
	assert.Equal(t, "5 0.6 0.6 0 1 1 1", fmt.Sprint(c.N, c.NewAccuracy, c.OldAccuracy, c.Difference, c.OnlyNew, c.OnlyOld, c.P))
	assert.Equal(t, []evaluate.ClassComparison{
		{Label: "cat", N: 3, NewRecall: 2. / 3, OldRecall: 1. / 3, OnlyNew: 1},
		{Label: "dog", N: 2, NewRecall: 0.5, OldRecall: 1, OnlyOld: 1},
	}, c.PerClass)
	assert.Panics(t, func() { evaluate.Compare(newer, evaluate.Answers{}) })
	older.Truth[0] = 0
	assert.Panics(t, func() { evaluate.Compare(newer, older) })
}

// TestPairedInterval: it covers the true difference as often as it says, also where few images differ.
func TestPairedInterval(t *testing.T) {
	f := func(n int, onlyA, onlyB float64) {
		t.Helper()
		rng := rand.New(rand.NewPCG(uint64(n), 7))
		const rounds = 4000
		covered := 0
		for range rounds {
			a, b := 0, 0
			for range n {
				switch u := rng.Float64(); {
				case u < onlyA:
					a++
				case u < onlyA+onlyB:
					b++
				}
			}
			if low, high := evaluate.PairedInterval(a, b, n); low <= onlyA-onlyB && onlyA-onlyB <= high {
				covered++
			}
		}
		share := float64(covered) / rounds
		assert.GreaterOrEqual(t, share, 0.94, "%d images, %v and %v", n, onlyA, onlyB)
	}
	f(20, 0.05, 0.05)
	f(50, 0.2, 0.1)
	f(200, 0.01, 0.02)
	f(500, 0.05, 0.04)
	f(1000, 0.1, 0.02)
	low, high := evaluate.PairedInterval(0, 0, 10)
	assert.InDelta(t, -high, low, 1e-12)
	assert.Greater(t, high, 0.2, "ten images on which both agree prove little")
	low, _ = evaluate.PairedInterval(0, 0, 0)
	assert.Equal(t, -1.0, low)
}
