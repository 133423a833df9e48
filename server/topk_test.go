package server

import (
	"math"
	"testing"
)

func TestSoftmaxTop(t *testing.T) {
	f := func(logits []float32, k int, indices []int, first float32) {
		t.Helper()
		top := softmaxTop(append([]float32(nil), logits...), k)
		if len(top) != len(indices) {
			t.Fatalf("got %v; want %d", top, len(indices))
		}
		for i, p := range top {
			if p.index != indices[i] {
				t.Fatalf("got %v; want indices %v", top, indices)
			}
			if p.probability != p.probability || p.probability < 0 || p.probability > 1 {
				t.Fatalf("got probability %v", p.probability)
			}
		}
		if math.Abs(float64(top[0].probability-first)) > 1e-5 {
			t.Fatalf("got %v; want %v first", top[0].probability, first)
		}
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	f([]float32{0, 0}, 5, []int{0, 1}, 0.5)
	f([]float32{0, 1, 2, 3}, 2, []int{3, 2}, 0.643914)
	f([]float32{3, 1, 3, 2}, 3, []int{0, 2, 3}, 0.399486)
	f([]float32{1000, 0}, 1, []int{0}, 1)
	f([]float32{-1000, -1000}, 1, []int{0}, 0.5)
	f([]float32{nan, 1, 0}, 3, []int{1, 2, 0}, 0.731059)
	f([]float32{inf, 1, -inf}, 3, []int{0, 1, 2}, 1)
	f([]float32{nan, nan}, 2, []int{0, 1}, 0.5)
}
