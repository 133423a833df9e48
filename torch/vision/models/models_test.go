package models_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/models"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

var (
	basic      = reflect.TypeFor[models.BasicBlockModule]()
	bottleneck = reflect.TypeFor[models.BottleneckModule]()
)

func TestMLP(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	m := models.MLP()
	defer nn.Close(m)
	x := torch.RandN([]int64{2, 1, 28, 28}, false)
	defer x.Close()
	y := m.Forward(x)
	defer y.Close()
	assert.Equal(t, []int64{2, 10}, y.Shape())
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		assert.InDelta(t, 2, torch.Sum(torch.Exp(y)).Float64(), 1e-5, "probabilities")
	})
	assert.Contains(t, m.StateDict(), "MLPModule.FC3.Bias")
}

// The list is of timm's resnet18, whose names are torchvision's;
// modeldir/testdata/golden.py wrote it.
func TestNames(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	data, err := os.ReadFile("../../../modeldir/testdata/resnet18_shapes.json")
	require.NoError(t, err)
	var want map[string][]int64
	require.NoError(t, json.Unmarshal(data, &want))
	for name := range want {
		if strings.HasSuffix(name, "num_batches_tracked") {
			delete(want, name)
		}
	}
	m := models.Resnet(basic, []int64{2, 2, 2, 2}, 10, false, 1, 64)
	defer nn.Close(m)
	got := map[string][]int64{}
	for name, tensor := range nn.TorchStateDict(m) {
		got[name] = tensor.Shape()
	}
	assert.Equal(t, want, got)
	for _, name := range []string{
		"ResnetModule.C1.Weight", "ResnetModule.L1.Modules[0].C1.Weight", "ResnetModule.L4.Modules[1].BN2.RunningVar",
		"ResnetModule.L2.Modules[0].Downsample.Modules[1].Bias", "ResnetModule.FC.Bias",
	} {
		assert.Contains(t, m.StateDict(), name)
	}
}

// Package resnet, which is compared with timm elsewhere, computes the same with the same
// weights.
func TestSameAsResnet(t *testing.T) {
	torchtest.Need(t)
	f := func(architecture string, m *models.ResnetModule) {
		t.Helper()
		torchtest.NoLeak(t)
		defer nn.Close(m)
		spec, err := resnet.Describe(architecture, resnet.ImageNetStem, 1000)
		require.NoError(t, err)
		net := resnet.New(spec)
		defer net.Close()
		require.NoError(t, net.SetStateDict(nn.TorchStateDict(m)))
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			x := torch.RandN([]int64{1, 3, 64, 64}, false)
			m.Train(false)
			net.Train(false)
			assert.InDeltaSlice(t, torch.Slice[float32](net.Forward(x)), torch.Slice[float32](m.Forward(x)), 1e-5)
			m.Train(true)
			torch.Sum(m.Forward(torch.RandN([]int64{2, 3, 32, 32}, false))).Backward()
			for _, p := range m.Parameters() {
				assert.NotNil(t, p.Grad().T)
			}
			torch.ClearGrads(m.Parameters())
		})
	}
	f("resnet18", models.Resnet18())
	f("resnet50", models.Resnet50())
}

// torchvision's documentation gives this count for resnext50_32x4d.
func TestGroupsAndWidth(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	m := models.Resnet(bottleneck, []int64{3, 4, 6, 3}, 1000, false, 32, 4)
	defer nn.Close(m)
	var count int64
	for _, p := range m.Parameters() {
		count += p.Numel()
	}
	assert.Equal(t, int64(25_028_904), count)
}

func TestZeroInitResidual(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(block reflect.Type, last string) {
		t.Helper()
		m := models.Resnet(block, []int64{1, 1, 1, 1}, 2, true, 1, 64)
		defer nn.Close(m)
		state := m.StateDict()
		assert.Zero(t, torch.Slice[float32](state["ResnetModule.L3.Modules[0]."+last+".Weight"])[0])
		assert.NotZero(t, torch.Slice[float32](state["ResnetModule.L3.Modules[0].BN1.Weight"])[0])
	}
	f(basic, "BN2")
	f(bottleneck, "BN3")
}

func TestMisuse(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(want string, body func()) {
		t.Helper()
		torch.Scope(func(func(torch.Tensor) torch.Tensor) { assert.ErrorContains(t, torch.Try(body), want) })
	}
	f("no block is of type nn.LinearModule", func() { models.Resnet(reflect.TypeFor[nn.LinearModule](), []int64{1, 1, 1, 1}, 2, false, 1, 64) })
	f("the layers are [1 1 1]", func() { models.Resnet(basic, []int64{1, 1, 1}, 2, false, 1, 64) })
	f("use Bottleneck", func() { models.BasicBlock(64, 64, 1, nil, 2, 64, 1) })
}
