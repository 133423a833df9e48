package resnet_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
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

// The digests are of timm's networks; testdata/golden.py wrote them.
func TestArchitecturesAreTimms(t *testing.T) {
	data, err := os.ReadFile("testdata/shapes.json")
	require.NoError(t, err)
	var want map[string]struct {
		Tensors, Parameters int64
		SHA256              string
		Lines               []string
	}
	require.NoError(t, json.Unmarshal(data, &want))
	assert.Len(t, want, len(resnet.Architectures()))
	for _, architecture := range resnet.Architectures() {
		var lines []string
		var parameters int64
		for _, tensor := range describe(t, architecture, resnet.ImageNetStem, 1000).Tensors() {
			n, shape := int64(1), ""
			for _, s := range tensor.Shape {
				n *= s
				shape += fmt.Sprintf(",%d", s)
			}
			if !strings.Contains(tensor.Name, "running_") {
				parameters += n
			}
			lines = append(lines, tensor.Name+" "+shape[1:])
		}
		slices.Sort(lines)
		w := want[architecture]
		if w.Lines != nil {
			assert.Equal(t, w.Lines, lines, architecture)
		}
		assert.Equal(t, w.Tensors, int64(len(lines)), architecture)
		assert.Equal(t, w.Parameters, parameters, architecture)
		assert.Equal(t, w.SHA256, fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "\n")))), architecture)
	}
}

// A D network's CIFAR stem has the tensors of its ImageNet stem.
func TestDeepCIFARStemKeepsItsTensors(t *testing.T) {
	for _, architecture := range []string{"resnet18d", "resnet50c"} {
		a, b := describe(t, architecture, resnet.ImageNetStem, 10), describe(t, architecture, resnet.CIFARStem, 10)
		assert.Equal(t, a.Tensors(), b.Tensors())
		assert.Equal(t, int64(2), a.StemConvs()[0].Stride)
		assert.Equal(t, int64(1), b.StemConvs()[0].Stride)
		assert.False(t, b.StemPool())
	}
}

func TestDescribeRefuses(t *testing.T) {
	f := func(want, architecture string, stem resnet.Stem, classes int64) {
		t.Helper()
		_, err := resnet.Describe(architecture, stem, classes)
		assert.ErrorContains(t, err, want)
	}
	f(`known are ["resnet101" "resnet101c"`, "resnet19", "", 10)
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
	f("resnet18d", resnet.ImageNetStem, 33)
	f("resnet18d", resnet.CIFARStem, 15)
	f("resnext50_32x4d", resnet.CIFARStem, 9)
}

func TestFreeze(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	net := resnet.New(describe(t, "resnet18d", resnet.CIFARStem, 3))
	defer net.Close()
	var names []string
	var parameters int
	for _, s := range net.Stages() {
		names = append(names, s.Name)
		parameters += len(s.Parameters())
	}
	assert.Equal(t, []string{"stem", "layer1", "layer2", "layer3", "layer4", "fc"}, names)
	assert.Equal(t, len(net.Parameters()), parameters)
	assert.Equal(t, net.Parameters(), net.Trainable())

	assert.Error(t, net.Freeze(-1))
	assert.Error(t, net.Freeze(6))
	require.NoError(t, net.Freeze(2))
	net.Train(true) // must not wake what is frozen
	step := func() {
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			torch.Sum(net.Forward(torch.RandN([]int64{4, 3, 16, 16}, false))).Backward()
			for i, s := range net.Stages() {
				for _, p := range s.Parameters() {
					assert.Equal(t, i >= net.Frozen(), p.Grad().T != nil, s.Name)
				}
			}
			torch.ClearGrads(net.Parameters())
		})
	}
	mean := func(name string) []float32 { return torch.Slice[float32](net.StateDict()[name]) }
	frozen, trained := mean("layer1.1.bn2.running_mean"), mean("layer2.0.downsample.2.running_mean")
	step()
	assert.Equal(t, frozen, mean("layer1.1.bn2.running_mean"))
	assert.NotEqual(t, trained, mean("layer2.0.downsample.2.running_mean"))

	require.NoError(t, net.Freeze(resnet.Backbone))
	assert.Len(t, net.Trainable(), 2)
	step()
	require.NoError(t, net.Freeze(0))
	assert.Equal(t, net.Parameters(), net.Trainable())
	step()
	assert.NotEqual(t, frozen, mean("layer1.1.bn2.running_mean"))
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
