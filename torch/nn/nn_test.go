package nn_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// pair is a module of the usual kinds of fields.
type pair struct {
	nn.Module
	Conv   *nn.Conv2dModule
	Layers []nn.IModule
	Absent *nn.LinearModule
	note   string
}

func newPair() *pair {
	p := &pair{
		Conv:   nn.Conv2d(3, 4, 3, 1, 1, 1, 1, true, "zeros"),
		Layers: []nn.IModule{nn.BatchNorm2d(4, 1e-5, 0.1, true, true), nn.Linear(4, 2, false)},
		note:   "fields that are not exported are the module's own affair",
	}
	p.Init(p)
	return p
}

func (p *pair) close() {
	for _, t := range append(p.Parameters(), p.Buffers()...) {
		t.Close()
	}
}

func TestNamesFollowTheFields(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	p := newPair()
	defer p.close()
	assert.Equal(t, "pair", p.Name())
	assert.Len(t, p.StateDict(), 7)
	parameters, buffers := p.NamedParameters(), p.NamedBuffers()
	for _, name := range []string{
		"pair.Conv.Weight", "pair.Conv.Bias", "pair.Layers[0].Weight", "pair.Layers[0].Bias", "pair.Layers[1].Weight",
	} {
		assert.Contains(t, parameters, name)
	}
	assert.Len(t, parameters, 5)
	assert.Contains(t, buffers, "pair.Layers[0].RunningMean")
	assert.Len(t, buffers, 2)
}

// Data parallel training and checkpoints rely on one order in every process.
func TestParametersHaveOneOrder(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	p := newPair()
	defer p.close()
	for range 20 {
		list := p.Parameters()
		require.Len(t, list, 5)
		assert.Equal(t, p.Conv.Weight, list[0])
		assert.Equal(t, []int64{2, 4}, list[4].Shape())
	}
}

func TestTrainAndApplyReachSubmodules(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	p := newPair()
	defer p.close()
	assert.True(t, p.IsTraining())
	p.Train(false)
	assert.False(t, p.Layers[0].IsTraining())
	var names []string
	p.Apply(func(m nn.IModule) { names = append(names, m.Name()) })
	assert.Equal(t, []string{"Conv2dModule", "BatchNorm2dModule", "LinearModule", "pair"}, names)
}

func TestSetStateDictCopies(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	a, b := newPair(), newPair()
	defer a.close()
	defer b.close()
	require.NoError(t, b.SetStateDict(a.StateDict()))
	assert.Equal(t, torch.Slice[float32](a.Conv.Weight), torch.Slice[float32](b.Conv.Weight))
	assert.ErrorContains(t, b.SetStateDict(nil), "is missing")
}

func TestBatchNormUsesItsStatisticsInEvaluation(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		bn := nn.BatchNorm2d(1, 0, 0.5, false, true)
		x := torch.FromSlice([]float32{1, 3}, 2, 1, 1, 1)
		assert.Equal(t, []float32{-1, 1}, torch.Slice[float32](bn.Forward(x)))
		assert.Equal(t, []float32{1}, torch.Slice[float32](bn.RunningMean))  // (0 + 2)/2
		assert.Equal(t, []float32{1.5}, torch.Slice[float32](bn.RunningVar)) // (1 + 2)/2, unbiased
		bn.Train(false)
		assert.InDeltaSlice(t, []float32{0, 1.63299}, torch.Slice[float32](bn.Forward(x)), 1e-5)
	})
}

func TestModuleWithoutInit(t *testing.T) {
	var p pair
	assert.PanicsWithValue(t, "nn: the module was not initialised: its constructor must call Init", func() { p.StateDict() })
}
