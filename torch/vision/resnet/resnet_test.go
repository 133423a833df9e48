package resnet_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

func describe(t *testing.T, architecture string, stem resnet.Stem, classes int64) resnet.Spec {
	t.Helper()
	spec, err := resnet.Describe(architecture, stem, classes)
	require.NoError(t, err)
	return spec
}

// The list is of timm's resnet18 with ten classes; modeldir/testdata/golden.py
// wrote it.
func TestTensorsAreTimms(t *testing.T) {
	data, err := os.ReadFile("../../../modeldir/testdata/resnet18_shapes.json")
	require.NoError(t, err)
	var want map[string][]int64
	require.NoError(t, json.Unmarshal(data, &want))
	for name := range want {
		if strings.HasSuffix(name, "num_batches_tracked") {
			delete(want, name)
		}
	}
	got := map[string][]int64{}
	for _, tensor := range describe(t, "resnet18", resnet.ImageNetStem, 10).Tensors() {
		got[tensor.Name] = tensor.Shape
	}
	assert.Equal(t, want, got)
}

// torchvision's documentation gives these counts for 1000 classes.
func TestParameterCounts(t *testing.T) {
	for architecture, want := range map[string]int64{
		"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032,
	} {
		var got int64
		for _, tensor := range describe(t, architecture, resnet.ImageNetStem, 1000).Tensors() {
			if strings.Contains(tensor.Name, "running_") {
				continue
			}
			n := int64(1)
			for _, s := range tensor.Shape {
				n *= s
			}
			got += n
		}
		assert.Equal(t, want, got, architecture)
	}
}

func TestDescribeRefuses(t *testing.T) {
	f := func(want, architecture string, stem resnet.Stem, classes int64) {
		t.Helper()
		_, err := resnet.Describe(architecture, stem, classes)
		assert.ErrorContains(t, err, want)
	}
	f(`known are ["resnet18" "resnet34" "resnet50"]`, "resnet19", "", 10)
	f(`stem "imagenet"`, "resnet18", "imagenet", 10)
	f("give at least 1", "resnet18", "", 0)
}

func TestForward(t *testing.T) {
	torchtest.Need(t)
	f := func(architecture string, stem resnet.Stem, side int64) {
		t.Helper()
		torchtest.NoLeak(t)
		spec := describe(t, architecture, stem, 7)
		net := resnet.New(spec)
		defer net.Close()
		net.ToChannelsLast()
		assert.Len(t, net.StateDict(), len(spec.Tensors()))
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			x := torch.RandN([]int64{2, 3, side, side}, false)
			assert.Equal(t, []int64{2, spec.Features()}, net.ForwardFeatures(x).Shape())
			logits := net.Forward(x)
			assert.Equal(t, []int64{2, 7}, logits.Shape())
			torch.Sum(logits).Backward()
			for _, p := range net.Parameters() {
				assert.NotNil(t, p.Grad().T)
			}
			torch.ClearGrads(net.Parameters())
		})
	}
	f("resnet18", resnet.CIFARStem, 16)
	f("resnet18", resnet.ImageNetStem, 64)
	f("resnet50", resnet.CIFARStem, 16)
}

func TestSetStateDict(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	spec := describe(t, "resnet18", resnet.CIFARStem, 3)
	a, b := resnet.New(spec), resnet.New(spec)
	defer a.Close()
	defer b.Close()
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		a.Train(false)
		b.Train(false)
		x := torch.RandN([]int64{1, 3, 16, 16}, false)
		assert.NotEqual(t, torch.Slice[float32](a.Forward(x)), torch.Slice[float32](b.Forward(x)))
		require.NoError(t, b.SetStateDict(a.StateDict()))
		assert.Equal(t, torch.Slice[float32](a.Forward(x)), torch.Slice[float32](b.Forward(x)))

		state := a.StateDict()
		state["conv1.weight"] = torch.Ones([]int64{64, 3, 7, 7}, false)
		assert.ErrorContains(t, b.SetStateDict(state), `tensor "conv1.weight" has shape [64 3 7 7], want [64 3 3 3]`)
		delete(state, "conv1.weight")
		assert.ErrorContains(t, b.SetStateDict(state), `tensor "conv1.weight" is missing`)
	})
}
