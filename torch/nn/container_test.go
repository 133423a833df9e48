package nn_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// Modules of a Sequential may take and return anything.
type split struct{ nn.Module }

func (*split) Forward(x int) (int, int64) { return x / 10, int64(x % 10) }

type join struct{ nn.Module }

func (*join) Forward(a int, b int64) string { return strconv.Itoa(a + int(b)) }

type sum struct{ nn.Module }

func (*sum) Forward(first int, more ...int) int {
	for _, x := range more {
		first += x
	}
	return first
}

type isNil struct{ nn.Module }

func (*isNil) Forward(err error) bool { return err == nil }

type mute struct{ nn.Module }

func TestSequential(t *testing.T) {
	assert.Equal(t, "7", nn.Sequential(&split{}, &join{}).Forward(43))
	assert.Equal(t, "7", nn.Sequential(nn.Sequential(&split{}, &join{})).Forward(43))
	assert.Equal(t, 6, nn.Sequential(&sum{}).Forward(1, 2, 3))
	assert.Equal(t, true, nn.Sequential(&isNil{}).Forward(nil))

	s := nn.Sequential(&split{}, &join{})
	s.Modules[0] = &sum{}
	s.Modules = s.Modules[:1]
	assert.Equal(t, 3, s.Forward(1, 2), "the modules are those that are in the list now")
}

func TestSequentialRefuses(t *testing.T) {
	f := func(want string, s *nn.SequentialModule, inputs ...interface{}) {
		t.Helper()
		assert.ErrorContains(t, torch.Try(func() { s.Forward(inputs...) }), want)
	}
	f("it has no modules to run", nn.Sequential(), 1)
	f("the last module, a *nn_test.split, has 2 results; it must have one", nn.Sequential(&split{}), 1)
	f("module 0, a *nn_test.mute, has no method Forward", nn.Sequential(&mute{}), 1)
	f("module 1, a *nn_test.split, takes 1 inputs, not 2", nn.Sequential(&split{}, &split{}), 1)
	f("module 0, a *nn_test.sum, takes 2 inputs, not 0", nn.Sequential(&sum{}))
	f("input 0 of module 0, a *nn_test.split, is a int, not a string", nn.Sequential(&split{}), "one")
	f("input 1 of module 0, a *nn_test.sum, is a int, not a bool", nn.Sequential(&sum{}), 1, true)
	f("module 0 is nil", nn.Sequential(nil), 1)
	f("module 0 is nil", nn.Sequential((*split)(nil)), 1)
}

func TestSequentialOfLayers(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		linear := nn.Linear(2, 2, true)
		x := torch.Ones([]int64{1, 2}, false)
		want := torch.Slice[float32](torch.Relu(linear.Forward(x)))
		s := nn.Sequential(linear, nn.Functional(torch.Relu))
		assert.Equal(t, want, torch.Slice[float32](s.Forward(x).(torch.Tensor)))
		assert.Contains(t, s.StateDict(), "SequentialModule.Modules[0].Weight")
		assert.Contains(t, nn.TorchStateDict(s), "0.weight")
		c := nn.Chain(linear, nn.ReLU())
		assert.Equal(t, want, torch.Slice[float32](c.Forward(x)))
		assert.Contains(t, c.StateDict(), "ChainModule.Modules[0].Weight")
		assert.Contains(t, nn.TorchStateDict(c), "0.weight")
		assert.Equal(t, x, nn.Chain().Forward(x))
	})
}

// In evaluation mode goroutines may share a module.
func TestSharedInEvaluation(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	last := &double{}
	last.Init(last)
	s := nn.Sequential(nn.Linear(2, 2, true), nn.BatchNorm1d(2, 1e-5, 0.1, true, true), last)
	defer nn.Close(s)
	s.Train(false)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			torch.Scope(func(func(torch.Tensor) torch.Tensor) {
				for range 20 {
					s.Forward(torch.Ones([]int64{3, 2}, false))
				}
			})
		})
	}
	group.Wait()
}

type double struct{ nn.Module }

// Forward is not that of a Layer, so it is called by reflection.
func (*double) Forward(x ...torch.Tensor) torch.Tensor { return x[0].MulScalar(2) }
