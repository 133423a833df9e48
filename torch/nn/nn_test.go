package nn_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// inner is embedded in net: its fields count as net's.
type inner struct {
	Extra torch.Tensor
}

// net is a module of the usual kinds of fields.
type net struct {
	nn.Module
	inner
	Conv    *nn.Conv2dModule
	Layers  []nn.IModule
	Absent  *nn.LinearModule
	Rows    []torch.Tensor
	Missing torch.Tensor
	Scales  [2]torch.Tensor `gotorch:"buffer"`

	note   string
	hidden *nn.LinearModule
}

func newNet() *net {
	n := &net{
		inner:  inner{torch.Ones([]int64{1}, true)},
		Conv:   nn.Conv2d(3, 4, 3, 1, 1, 1, 1, true, "zeros"),
		Layers: []nn.IModule{nn.BatchNorm2d(4, 1e-5, 0.1, true, true), nn.Linear(4, 2, false), (*nn.LinearModule)(nil), nil},
		Rows:   []torch.Tensor{torch.Ones([]int64{2}, true), {}, torch.Ones([]int64{3}, true)},
		Scales: [2]torch.Tensor{torch.Ones([]int64{5}, false)},
		hidden: &nn.LinearModule{},
		note:   "fields that are not exported are the module's own affair",
	}
	n.Init(n)
	return n
}

func TestNamesFollowTheFields(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	n := newNet()
	defer nn.Close(n)
	assert.Equal(t, "nn_test.net", n.Name())
	assert.Equal(t, "nn.Conv2dModule", n.Conv.Name())
	f := func(got map[string]torch.Tensor, want ...string) {
		t.Helper()
		var names []string
		for name := range got {
			names = append(names, name)
		}
		assert.ElementsMatch(t, want, names)
	}
	f(n.NamedParameters(), "net.Extra", "net.Conv.Weight", "net.Conv.Bias",
		"net.Layers[0].Weight", "net.Layers[0].Bias", "net.Layers[1].Weight", "net.Rows[0]", "net.Rows[2]")
	f(n.NamedBuffers(), "net.Layers[0].RunningMean", "net.Layers[0].RunningVar", "net.Scales[0]")
	assert.Len(t, n.StateDict(), 11)
	f(nn.TorchStateDict(n), "extra", "conv.weight", "conv.bias", "layers.0.weight", "layers.0.bias",
		"layers.0.running_mean", "layers.0.running_var", "layers.1.weight", "rows.0", "rows.2", "scales.0")
}

// Data parallel training and checkpoints rely on one order in every process.
func TestParametersHaveOneOrder(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	n := newNet()
	defer nn.Close(n)
	for range 20 {
		list := n.Parameters()
		require.Len(t, list, 8)
		assert.Equal(t, n.Extra, list[0])
		assert.Equal(t, n.Conv.Weight, list[1])
		assert.Equal(t, []int64{2, 4}, list[5].Shape())
		assert.Equal(t, n.Rows[2], list[7])
	}
}

// tied is a module that uses one tensor twice.
type tied struct {
	nn.Module
	In, Out torch.Tensor
}

func TestSharedParametersAreListedOnce(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	w := torch.Ones([]int64{2}, true)
	m := &tied{In: w, Out: w}
	m.Init(m)
	assert.Len(t, m.Parameters(), 1)
	assert.Len(t, m.StateDict(), 2)
	nn.Close(m)
	nn.Close(m)
}

func TestTrainAndApplyReachSubmodules(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	n := newNet()
	defer nn.Close(n)
	assert.True(t, n.IsTraining())
	n.Train(false)
	assert.False(t, n.IsTraining())
	assert.False(t, n.Layers[0].IsTraining())

	want := []string{"nn_test.net", "nn.Conv2dModule", "nn.BatchNorm2dModule", "nn.LinearModule"}
	var applied, visited []string
	// gotorch's programs go from the Module that they are handed to the module itself.
	n.Apply(func(m nn.IModule) { applied = append(applied, fmt.Sprintf("%T", m.(*nn.Module).Outer())[1:]) })
	assert.Equal(t, want, applied)
	for m := range nn.Modules(n) {
		visited = append(visited, m.Name())
		if len(visited) == 3 {
			break
		}
	}
	assert.Equal(t, want[:3], visited)
}

func TestVisitTensors(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	n := newNet()
	defer nn.Close(n)
	var names []string
	visit := func(f reflect.StructField, v reflect.Value, prefix string, noSuffix bool) error {
		assert.IsType(t, torch.Tensor{}, v.Interface())
		if !noSuffix {
			prefix += "." + f.Name
		}
		names = append(names, prefix)
		if prefix == "net.Rows[0]" {
			return errors.New("enough")
		}
		return nil
	}
	assert.EqualError(t, nn.VisitTensors(n, visit), "enough")
	assert.Equal(t, "net.Extra", names[0])
	assert.Equal(t, "net.Rows[0]", names[len(names)-1])
	assert.Len(t, names, 9)
}

func TestTo(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	n := newNet()
	defer nn.Close(n)
	count := torch.FromSlice([]int64{3}, 1)
	n.Scales[1] = count
	before := n.Conv.Weight
	n.To(torch.Device{}, torch.Double)
	assert.Equal(t, before, n.Conv.Weight, "an optimizer knows the parameter by its handle")
	assert.Equal(t, torch.Double, n.Conv.Weight.Dtype())
	assert.Equal(t, torch.Double, n.Layers[0].(*nn.BatchNorm2dModule).RunningMean.Dtype())
	assert.Equal(t, torch.Long, count.Dtype(), "integers stay what they are")
	assert.True(t, n.Conv.Weight.RequiresGrad())
}

// Double precision parameters get gradients of their own type, also when they had some
// of another before.
func TestToDropsGradients(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	l := nn.Linear(2, 1, false)
	defer nn.Close(l)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		torch.Sum(l.Forward(torch.Ones([]int64{1, 2}, false))).Backward()
		l.To(torch.Device{})
		assert.NotNil(t, l.Weight.Grad().T, "nothing has moved")
		l.To(torch.Device{}, torch.Double)
		assert.Nil(t, l.Weight.Grad().T)
		torch.Sum(l.Forward(torch.OnesWith([]int64{1, 2}, torch.Options{DType: torch.DType(torch.Double)}))).Backward()
		assert.Equal(t, []float64{1, 1}, torch.Slice[float64](l.Weight.Grad()))
		torch.ClearGrads(l.Parameters())
	})
}

func TestSetStateDict(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	a, b := newNet(), newNet()
	defer nn.Close(a)
	defer nn.Close(b)
	require.NoError(t, b.SetStateDict(a.StateDict()))
	assert.Equal(t, torch.Slice[float32](a.Conv.Weight), torch.Slice[float32](b.Conv.Weight))
	assert.NotEqual(t, a.Conv.Weight, b.Conv.Weight, "values are copied")

	f := func(want string, change func(state map[string]torch.Tensor)) {
		t.Helper()
		state := a.StateDict()
		change(state)
		assert.EqualError(t, b.SetStateDict(state), "cannot set the state of nn_test.net: "+want)
	}
	other := torch.Ones([]int64{4, 4}, false)
	defer other.Close()
	f(`"net.Conv.Bias" is missing`, func(state map[string]torch.Tensor) { delete(state, "net.Conv.Bias") })
	f(`"net.Conv.Bias" is nil`, func(state map[string]torch.Tensor) { state["net.Conv.Bias"] = torch.Tensor{} })
	f(`"net.Conv.Bias" has shape [4 4], want [4]`, func(state map[string]torch.Tensor) { state["net.Conv.Bias"] = other })
	f(`it has no "net.Conv.Bais"`, func(state map[string]torch.Tensor) { state["net.Conv.Bais"] = other })
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

// Outside of a Scope, a forward pass leaves its results behind and nothing else.
func TestForwardLeavesNothing(t *testing.T) {
	torchtest.Need(t)
	f := func(m nn.IModule, shape []int64, forward func(x torch.Tensor) []torch.Tensor) {
		t.Helper()
		torchtest.NoLeak(t)
		x := torch.RandN(shape, true)
		for _, y := range forward(x) {
			y.Close()
		}
		x.Close()
		nn.Close(m)
	}
	conv := nn.Conv2d(1, 2, 3, 1, 1, 1, 1, true, "reflect")
	f(conv, []int64{1, 1, 4, 4}, func(x torch.Tensor) []torch.Tensor { return list(conv.Forward(x)) })
	attention := nn.MultiheadAttention(4, 2, nn.AttentionOptions{})
	f(attention, []int64{3, 1, 4}, func(x torch.Tensor) []torch.Tensor {
		return list(attention.Forward(x, x, x, nn.AttentionInput{Weights: true}))
	})
	encoder := nn.TransformerEncoderLayer(4, 2, 0.1, nn.EncoderOptions{Feedforward: 4})
	f(encoder, []int64{3, 1, 4}, func(x torch.Tensor) []torch.Tensor { return list(encoder.Forward(x, nn.AttentionInput{})) })
	lstm := nn.LSTM(4, 2, nn.RecurrentOptions{})
	f(lstm, []int64{3, 1, 4}, func(x torch.Tensor) []torch.Tensor { return list(lstm.Forward(x, torch.Tensor{}, torch.Tensor{})) })
	kl := nn.KLDivLoss(false, "batchmean")
	f(kl, []int64{3, 4}, func(x torch.Tensor) []torch.Tensor { return list(kl.Forward(x, x)) })
}
