package torch_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// scalerRun is the run of testdata/optim.py's function scaler.
type scalerRun struct {
	*optimGolden
	params []torch.Tensor
	opt    torch.Optimizer
	scaler *torch.GradScaler
}

var scalerOptions = torch.GradScalerOptions{InitScale: 8, GrowthFactor: 2, BackoffFactor: 0.25, GrowthInterval: 3}

func newScalerRun(g *optimGolden) *scalerRun {
	r := &scalerRun{g, g.parameters(), torch.SGD(0.1, 0.9, 0, 0, false), torch.NewGradScaler(scalerOptions)}
	r.opt.AddParameters(r.params)
	return r
}

// scalerFaults are the steps at which a gradient is not finite.
var scalerFaults = map[int]float64{3: math.Inf(1), 4: math.NaN(), 8: math.Inf(-1)}

func (r *scalerRun) step(t *testing.T, step int) {
	torch.Scope(func(keep) {
		loss := torch.Zeros(nil, false)
		for i, p := range r.params {
			grad := torch.FromSlice(r.Grads[step%10][i], r.Shapes[i]...)
			loss = torch.Add(loss, torch.Sum(torch.Mul(p, grad)), 1)
		}
		fault, bad := scalerFaults[step]
		if bad {
			mask := torch.FromSlice([]float32{float32(fault), 0}, 2)
			loss = torch.Add(loss, torch.Sum(torch.Mul(r.params[3], mask)), 1)
		}
		r.scaler.Scale(loss).Backward()
		if step%2 == 1 {
			r.scaler.Unscale(r.opt)
			torch.ClipGradNorm(r.params, 1, 2)
		}
		assert.Equal(t, !bad, r.scaler.Step(r.opt), "step %d", step)
		r.scaler.Update()
		r.opt.ZeroGrad()
	})
}

func (r *scalerRun) close() {
	r.opt.Close()
	r.scaler.Close()
}

func TestGradScalerIsPyTorchs(t *testing.T) {
	g := loadOptimGolden(t)
	require.Len(t, g.Scaler, 12)
	inScope(t, func() {
		r := newScalerRun(g)
		defer r.close()
		assert.Equal(t, 8.0, r.scaler.CurrentScale())
		for step, want := range g.Scaler {
			r.step(t, step)
			assert.Equal(t, want.Scale, r.scaler.CurrentScale(), "step %d", step)
			for i, p := range r.params {
				near(t, want.Params[i], p, "step %d, parameter %d", step, i)
			}
			resumed := torch.NewGradScaler(scalerOptions)
			require.NoError(t, resumed.SetStateDict(r.scaler.StateDict()))
			r.scaler.Close()
			r.scaler = resumed
		}
	})
}

// The scaler lives through the scopes of the steps, and frees what it has.
func TestGradScalerOfSeveralOptimizers(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	torch.Scope(func(keep) {
		a, b := torch.Zeros([]int64{1}, true), torch.Zeros([]int64{1}, true)
		optA, optB := torch.SGD(1, 0, 0, 0, false), torch.SGD(1, 0, 0, 0, false)
		optA.AddParameters([]torch.Tensor{a})
		optB.AddParameters([]torch.Tensor{b})
		scaler := torch.NewGradScaler(torch.GradScalerOptions{})
		defer scaler.Close()
		assert.Equal(t, 65536.0, scaler.CurrentScale())
		torch.Scope(func(keep) {
			inf := torch.Full([]int64{1}, float32(math.Inf(1)), false)
			scaler.Scale(torch.Sum(torch.Add(torch.Mul(a, inf), b, 1))).Backward()
		})
		assert.False(t, scaler.Step(optA))
		assert.True(t, scaler.Step(optB), "a fault of one does not hold up the other")
		scaler.Update()
		assert.Equal(t, 32768.0, scaler.CurrentScale(), "but lowers the scale")
		assert.Equal(t, -1.0, b.Float64())
	})
}

func TestGradScalerMisuse(t *testing.T) {
	inScope(t, func() {
		w := torch.Zeros([]int64{1}, true)
		opt := torch.SGD(1, 0, 0, 0, false)
		defer opt.Close()
		opt.AddParameters([]torch.Tensor{w})
		scaler := torch.NewGradScaler(torch.GradScalerOptions{})
		defer scaler.Close()
		f := func(want string, misuse func()) {
			t.Helper()
			assert.Contains(t, refusal(t, misuse).Error(), want)
		}
		f("no loss has been scaled", func() { scaler.Unscale(opt) })
		f("no optimizer has been stepped", scaler.Update)
		loss := scaler.Scale(torch.Sum(w))
		f("no parameter of this optimizer has a gradient", func() { scaler.Step(opt) })
		loss.Backward()
		scaler.Unscale(opt)
		f("have been unscaled since the last Update", func() { scaler.Unscale(opt) })
		scaler.Step(opt)
		f("has been stepped since the last Update", func() { scaler.Step(opt) })
		scaler.Update()

		half := torch.Zeros([]int64{1}, false).CastTo(torch.Half)
		half.SetRequiresGrad(true)
		opt.AddParameters([]torch.Tensor{half})
		scaler.Scale(torch.Sum(half)).Backward()
		f("a parameter is float16; keep parameters in float32", func() { scaler.Unscale(opt) })
		assert.ErrorContains(t, scaler.SetStateDict(nil), `"scale" is missing`)
	})
	g := func(options torch.GradScalerOptions, want string) {
		t.Helper()
		_, err := torch.TryNewGradScaler(options)
		assert.ErrorContains(t, err, want)
	}
	g(torch.GradScalerOptions{InitScale: -1}, "InitScale is -1; it must be above 0")
	g(torch.GradScalerOptions{GrowthFactor: 0.5}, "GrowthFactor is 0.5")
	g(torch.GradScalerOptions{BackoffFactor: 2}, "BackoffFactor is 2")
	g(torch.GradScalerOptions{GrowthInterval: -1}, "GrowthInterval is -1")
}

func TestGradScalerDisabled(t *testing.T) {
	inScope(t, func() {
		w := torch.Zeros([]int64{1}, true)
		opt := torch.SGD(1, 0, 0, 0, false)
		defer opt.Close()
		opt.AddParameters([]torch.Tensor{w})
		scaler := torch.NewGradScaler(torch.GradScalerOptions{Disabled: true})
		scaler.Scale(torch.Sum(w)).Backward()
		scaler.Unscale(opt)
		assert.True(t, scaler.Step(opt))
		scaler.Update()
		assert.Equal(t, 1.0, scaler.CurrentScale())
		assert.Equal(t, -1.0, w.Float64())
	})
}
