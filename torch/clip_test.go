package torch_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

func TestClipGradNormIsPyTorchs(t *testing.T) {
	g := loadOptimGolden(t)
	require.NotEmpty(t, g.Clip)
	for _, c := range g.Clip {
		inScope(t, func() {
			order, err := strconv.ParseFloat(c.Type, 64)
			require.NoError(t, err)
			params := g.parameters()
			g.backward(params, 0, nil)
			total := torch.ClipGradNorm(params, c.Max, order)
			assert.InEpsilon(t, c.Total, total.Float64(), 1e-6, "norm %v", order)
			for i, p := range params {
				near(t, c.Grads[i], p.Grad(), "norm %v, parameter %d", order, i)
			}
		})
	}
}

func TestClipGradNormOfSeveralTypes(t *testing.T) {
	inScope(t, func() {
		a, b := torch.Zeros([]int64{1}, true), torch.Zeros([]int64{1}, false).CastTo(torch.Double)
		b.SetRequiresGrad(true)
		giveGrad(a, torch.FromSlice([]float32{3}, 1))
		giveGrad(b, torch.FromSlice([]float64{4}, 1))
		without := torch.Zeros([]int64{9}, true)
		total := torch.ClipGradNorm([]torch.Tensor{a, without, b}, 1, 2)
		assert.InDelta(t, 5, total.Float64(), 1e-6)
		assert.InDelta(t, 0.6, a.Grad().Float64(), 1e-6)
		assert.InDelta(t, 0.8, b.Grad().Float64(), 1e-6)
	})
}

func TestClipGradNormWithoutGradients(t *testing.T) {
	inScope(t, func() {
		assert.Zero(t, torch.ClipGradNorm(nil, 1, 2).Float64())
		torch.ClipGradValue([]torch.Tensor{torch.Zeros([]int64{1}, true)}, 1)
		_, err := torch.TryClipGradNorm([]torch.Tensor{{}}, 1, 2)
		assert.ErrorContains(t, err, "the tensor is nil")
		assert.ErrorContains(t, torch.TryClipGradValue([]torch.Tensor{{}}, 1), "the tensor is nil")
	})
}

func TestClipGradValueIsPyTorchs(t *testing.T) {
	g := loadOptimGolden(t)
	inScope(t, func() {
		params := g.parameters()
		g.backward(params, 0, nil)
		torch.ClipGradValue(params, 0.4)
		for i, p := range params {
			near(t, g.ClipValue[i], p.Grad(), "parameter %d", i)
		}
	})
}
