package train

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/dataset"
)

// TestShareOut: an epoch has the share of extra images that was asked for, whatever their number and the weights of the classes.
func TestShareOut(t *testing.T) {
	f := func(share float64, weights []float64, extra int) {
		t.Helper()
		d := images{imageWeights: weights, extra: extra}
		d.shareOut(share)
		const n = 1000
		order, err := dataset.WeightedOrder(d.imageWeights, n, 1, 0)
		assert.NoError(t, err)
		got := 0
		for _, i := range order {
			if int(i) >= len(weights)-extra {
				got++
			}
		}
		assert.InDelta(t, share*n, got, 3)
	}
	alike := make([]float64, 100)
	for i := range alike {
		alike[i] = 1
	}
	f(0.3, alike, 10)
	f(0.5, alike, 3)
	f(0.05, alike, 80)
	rare := make([]float64, 100)
	for i := range rare {
		rare[i] = 1 + float64(i%7)
	}
	f(0.3, rare, 10)
}
