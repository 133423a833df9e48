package server

import (
	"math"
	"slices"
	"testing"
)

func TestMostProbable(t *testing.T) {
	f := func(probabilities []float32, k int, want ...prediction) {
		t.Helper()
		got := mostProbable(probabilities, k)
		if !slices.Equal(got, want) {
			t.Fatalf("got %v; want %v", got, want)
		}
	}
	nan := float32(math.NaN())
	f([]float32{0.5, 0.5}, 5, prediction{0, 0.5}, prediction{1, 0.5})
	f([]float32{0.1, 0.2, 0.3, 0.4}, 2, prediction{3, 0.4}, prediction{2, 0.3})
	f([]float32{0.4, 0.1, 0.4, 0.1}, 3, prediction{0, 0.4}, prediction{2, 0.4}, prediction{1, 0.1})
	f([]float32{nan, 1, 0}, 3, prediction{1, 1}, prediction{0, 0}, prediction{2, 0})
	f([]float32{nan, nan}, 1, prediction{0, 0})
}
