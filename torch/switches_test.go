package torch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// The root's gradient at 0 is infinite, and times 0 it is no number.
func TestDetectAnomaly(t *testing.T) {
	torchtest.Need(t)
	backward := func() error {
		return torch.Try(func() {
			inScope(t, func() {
				x := torch.FromSlice([]float32{-1}, 1)
				x.SetRequiresGrad(true)
				torch.Sum(torch.Sqrt(x)).Backward()
			})
		})
	}
	require.NoError(t, backward())
	torch.SetDetectAnomaly(true)
	defer torch.SetDetectAnomaly(false)
	require.ErrorContains(t, backward(), "SqrtBackward0")
}

// Adding to places that repeat has no order unless one is asked for; the sum of numbers
// of different sizes shows it. On the CPU the switch must at least do no harm.
func TestDeterministicAlgorithms(t *testing.T) {
	torchtest.Need(t)
	inScope(t, func() {
		sum := func() []float32 {
			into := torch.Zeros([]int64{2}, false)
			index := torch.FromSlice([]int64{0, 1, 0, 0}, 4)
			return torch.Slice[float32](into.IndexAddI(0, index, torch.FromSlice([]float32{1, 2, 3, 4}, 4), 1))
		}
		want := sum()
		torch.UseDeterministicAlgorithms(true)
		defer torch.UseDeterministicAlgorithms(false)
		require.Equal(t, want, sum())
	})
}
