package nn_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// pyNet is Net of testdata/golden.py.
type pyNet struct {
	nn.Module
	Stem   *nn.ChainModule
	Blocks []*pyBlock
	CLS    torch.Tensor `torch:"cls_token"`
	RNN    *nn.LSTMModule
	FC     *nn.LinearModule
}

type pyBlock struct {
	nn.Module
	Norm1    *nn.LayerNormModule
	SelfAttn *nn.MultiheadAttentionModule
}

func newPyNet() *pyNet {
	n := &pyNet{
		Stem: nn.Chain(nn.Conv2d(1, 4, 2, 2, 0, 1, 1, true, "zeros"), nn.BatchNorm2d(4, 1e-5, 0.1, true, true), nn.ReLU()),
		CLS:  torch.Zeros([]int64{1, 1, 4}, true),
		RNN:  nn.LSTM(4, 3, nn.RecurrentOptions{BatchFirst: true, Bidirectional: true}),
		FC:   nn.Linear(6, 2, true),
	}
	for range 2 {
		b := &pyBlock{
			Norm1:    nn.LayerNorm([]int64{4}, nn.NormOptions{}),
			SelfAttn: nn.MultiheadAttention(4, 2, nn.AttentionOptions{BatchFirst: true}),
		}
		b.Init(b)
		n.Blocks = append(n.Blocks, b)
	}
	n.Init(n)
	return n
}

func (n *pyNet) Forward(x torch.Tensor) torch.Tensor {
	x = torch.Flatten(n.Stem.Forward(x), 2, -1).Transpose(1, 2)
	x = torch.Cat([]torch.Tensor{torch.Expand(n.CLS, x.Shape()[0], -1, -1), x}, 1)
	for _, b := range n.Blocks {
		y := b.Norm1.Forward(x)
		y, _ = b.SelfAttn.Forward(y, y, y, nn.AttentionInput{})
		x = x.Add(y, 1)
	}
	x, _, _ = n.RNN.Forward(x, torch.Tensor{}, torch.Tensor{})
	return n.FC.Forward(torch.Select(x, 1, 0))
}

// TestStateDictOfPyTorch loads what Python saved, computes the same with it, and saves
// it again under the same names.
func TestStateDictOfPyTorch(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		state := torch.LoadSafetensors("testdata/net.safetensors")
		n := newPyNet()
		require.NoError(t, nn.SetTorchStateDict(n, state))
		n.Train(false)
		x, _ := golden("net/in/0")
		want, _ := golden("net/out/0")
		near(t, "net", want, n.Forward(x))

		path := filepath.Join(t.TempDir(), "net.safetensors")
		torch.SaveSafetensors(nn.TorchStateDict(n), path, nil)
		again := torch.LoadSafetensors(path)
		maps.DeleteFunc(state, func(name string, _ torch.Tensor) bool { return strings.HasSuffix(name, "num_batches_tracked") })
		assert.Equal(t, slices.Sorted(maps.Keys(state)), slices.Sorted(maps.Keys(again)))
		for name := range state {
			assert.Equal(t, torch.Slice[float32](state[name]), torch.Slice[float32](again[name]), name)
		}

		delete(state, "cls_token")
		assert.EqualError(t, nn.SetTorchStateDict(n, state), `cannot set the state of nn_test.pyNet: "cls_token" is missing`)
	})
}

func TestTorchNames(t *testing.T) {
	torchtest.Need(t)
	type odd struct {
		nn.Module
		FC, BN1, SelfAttn, MLPHead, InProjWeight, WeightIH *nn.PReLUModule
	}
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		p := nn.PReLU(1, 0)
		m := &odd{FC: p, BN1: p, SelfAttn: p, MLPHead: p, InProjWeight: p, WeightIH: p}
		m.Init(m)
		assert.Equal(t, []string{"bn1.weight", "fc.weight", "in_proj_weight.weight", "mlp_head.weight", "self_attn.weight", "weight_ih.weight"},
			slices.Sorted(maps.Keys(nn.TorchStateDict(m))))
		lstm := nn.LSTM(1, 1, nn.RecurrentOptions{Layers: 2, Bidirectional: true, NoBias: true})
		assert.Contains(t, nn.TorchStateDict(lstm), "weight_hh_l1_reverse")
		assert.Contains(t, lstm.StateDict(), "LSTMModule.WeightHHReverse[1]")
		// What gotorch hands to the function of Apply works as the module itself.
		m.Apply(func(module nn.IModule) { assert.NotEmpty(t, nn.TorchStateDict(module)) })
	})
}
