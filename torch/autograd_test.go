package torch_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

func leaf(data ...float32) torch.Tensor {
	t := torch.FromSlice(data, int64(len(data)))
	t.SetRequiresGrad(true)
	return t
}

func TestBackwardWith(t *testing.T) {
	inScope(t, func() {
		w := leaf(1, 2, 3)
		y := torch.Mul(w, w)
		y.BackwardWith(torch.FromSlice([]float32{1, 10, 100}, 3), true, false)
		y.BackwardWith(torch.FromSlice([]float32{1, 10, 100}, 3), false, false)
		assert.Equal(t, []float32{4, 80, 1200}, torch.Slice[float32](w.Grad()))
		refusal(t, func() { y.BackwardWith(torch.FromSlice([]float32{1, 1, 1}, 3), false, false) }) // the graph is freed
		refusal(t, func() { torch.Mul(w, w).Backward() })                                           // not a scalar
	})
}

func TestGradOf(t *testing.T) {
	inScope(t, func() {
		x, w, unused := leaf(1, 2), leaf(3, 4), leaf(5)
		sum := torch.Sum(torch.Mul(torch.Mul(x, x), w)) // Σ x²w
		square := torch.Mul(x, x)

		f := func(got []torch.Tensor, want ...[]float32) {
			t.Helper()
			require.Len(t, got, len(want))
			for i, g := range got {
				if want[i] == nil {
					assert.Nil(t, g.T)
				} else {
					assert.Equal(t, want[i], torch.Slice[float32](g))
				}
			}
		}
		f(torch.GradOf([]torch.Tensor{sum}, []torch.Tensor{x, w}, torch.GradOptions{RetainGraph: true}), []float32{6, 16}, []float32{1, 4})
		f(torch.GradOf([]torch.Tensor{sum, square}, []torch.Tensor{x, unused},
			torch.GradOptions{AllowUnused: true, RetainGraph: true, Gradients: []torch.Tensor{{}, torch.FromSlice([]float32{10, 20}, 2)}}),
			[]float32{26, 96}, nil)

		once := torch.GradOf([]torch.Tensor{sum}, []torch.Tensor{x}, torch.GradOptions{CreateGraph: true})
		f(torch.GradOf([]torch.Tensor{torch.Sum(once[0])}, []torch.Tensor{x}), []float32{6, 8}) // 2w
		assert.Nil(t, x.Grad().T, "GradOf adds to nothing")
	})
}

func TestGradOfRefusals(t *testing.T) {
	inScope(t, func() {
		x, unused := leaf(1, 2), leaf(5)
		y := torch.Sum(torch.Mul(x, x))
		f := func(outputs, inputs []torch.Tensor, o torch.GradOptions) {
			t.Helper()
			_, err := torch.TryGradOf(outputs, inputs, o)
			assert.Error(t, err)
		}
		one := func(x torch.Tensor) []torch.Tensor { return []torch.Tensor{x} }
		f(nil, one(x), torch.GradOptions{})
		f(one(y), nil, torch.GradOptions{})
		f(one(y), one(unused), torch.GradOptions{})
		f(one(y), one(torch.Tensor{}), torch.GradOptions{})
		f(one(y), one(x), torch.GradOptions{Gradients: []torch.Tensor{}})
		f(one(y), one(x), torch.GradOptions{Gradients: one(torch.FromSlice([]float32{1, 2, 3}, 3))})
		f(one(y), one(torch.FromSlice([]float32{1}, 1)), torch.GradOptions{})
	})
}
