package torch_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

type keep = func(torch.Tensor) torch.Tensor

func ones() torch.Tensor { return torch.Ones([]int64{4}, false) }

func closed(t *testing.T, x torch.Tensor) bool {
	t.Helper()
	return refusal(t, func() { x.Shape() }).Text == "the tensor is closed"
}

func TestScopeFreesAllButTheKept(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	var dropped, kept torch.Tensor
	torch.Scope(func(keep keep) {
		dropped = ones()
		kept = keep(torch.Add(dropped, dropped, 1))
	})
	assert.True(t, closed(t, dropped))
	assert.Equal(t, []float32{2, 2, 2, 2}, torch.Slice[float32](kept))
	kept.Close()
}

func TestNestedScopes(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	var inner, outer torch.Tensor
	torch.Scope(func(keep) {
		before := ones()
		torch.Scope(func(keep keep) {
			inner = ones()
			outer = keep(ones())
			assert.Equal(t, before, keep(before), "another scope's tensor stays as it is")
		})
		assert.True(t, closed(t, inner))
		assert.Equal(t, []int64{4}, outer.Shape())
		assert.Equal(t, []int64{4}, before.Shape())
	})
	assert.True(t, closed(t, outer))
}

func TestScopeFreesAfterAPanic(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	assert.PanicsWithValue(t, "mine", func() {
		torch.Scope(func(keep) {
			ones()
			panic("mine")
		})
	})
}

func TestScopesOfGoroutinesAreApart(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				torch.Scope(func(keep) {
					a := ones()
					b := torch.Add(a, a, 1)
					a.Close() // by hand, before its scope does
					if torch.Slice[float32](b)[0] != 2 {
						t.Error("wrong sum")
					}
				})
			}
		})
	}
	wg.Wait()
}

func TestOptimizerOutlivesTheScopeItWasMadeIn(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	w := torch.Ones([]int64{4}, true)
	defer w.Close()
	opt := torch.SGD(0.1, 0.9, 0, 0, false)
	defer opt.Close()
	torch.Scope(func(keep) { opt.AddParameters([]torch.Tensor{w}) })
	for range 2 {
		torch.Scope(func(keep) {
			torch.Sum(w).Backward()
			opt.Step()
			opt.ZeroGrad()
		})
	}
	// 1 - 0.1·1 - 0.1·(0.9·1 + 1)
	assert.InDeltaSlice(t, []float32{0.71, 0.71, 0.71, 0.71}, torch.Slice[float32](w), 1e-6)
}

func TestNoGradEndsWithItsBody(t *testing.T) {
	inScope(t, func() {
		w := torch.Ones([]int64{1}, true)
		torch.NoGrad(func() { assert.False(t, torch.Mul(w, w).RequiresGrad()) })
		assert.True(t, torch.Mul(w, w).RequiresGrad())
		assert.Panics(t, func() { torch.NoGrad(func() { panic("mine") }) })
		assert.True(t, torch.Mul(w, w).RequiresGrad())
	})
}

func TestAutocast(t *testing.T) {
	inScope(t, func() {
		a := torch.Ones([]int64{2, 2}, false)
		torch.Autocast(torch.Device{}, torch.BFloat16, func() {
			assert.Equal(t, torch.BFloat16, torch.MM(a, a).Dtype())
		})
		assert.Equal(t, torch.Float, torch.MM(a, a).Dtype())
	})
}
