package pretrained_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/hub"
	"github.com/torchlit/torchlit/hub/hubtest"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/pretrained"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

func newNet(t *testing.T, architecture string, stem resnet.Stem, classes int64) *resnet.Net {
	t.Helper()
	torchtest.Need(t)
	spec, err := resnet.Describe(architecture, stem, classes)
	require.NoError(t, err)
	net := resnet.New(spec)
	t.Cleanup(net.Close)
	net.Train(false)
	return net
}

// entries are a network's tensors for a file.
func entries(t *testing.T, net *resnet.Net) []safetensors.Entry {
	t.Helper()
	var list []safetensors.Entry
	for name, tensor := range net.StateDict() {
		e, err := safetensors.FromFloat32(name, safetensors.F32, tensor.Shape(), torch.Slice[float32](tensor))
		require.NoError(t, err)
		list = append(list, e)
	}
	return list
}

func writeFolder(t *testing.T, net *resnet.Net) string {
	t.Helper()
	f := &modeldir.Folder{Config: modeldir.DefaultConfig(net.Spec().Architecture, int(net.Spec().NumClasses))}
	f.Config.Pretrained.InputSize = [3]int{3, 160, 160}
	f.Extras.Stem = string(net.Spec().Stem)
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, modeldir.Write(dir, f, func(tmp string) error {
		return safetensors.Write(filepath.Join(tmp, modeldir.SafetensorsFile), entries(t, net), nil)
	}))
	return dir
}

// writeCheckpoint writes a file of torch.save with names that a training program gives.
func writeCheckpoint(t *testing.T, net *resnet.Net, prefix string, more map[string]torch.Tensor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "last.ckpt")
	state := map[string]torch.Tensor{}
	for name, tensor := range net.StateDict() {
		state[prefix+name] = tensor
	}
	for name, tensor := range more {
		state[name] = tensor
	}
	torch.SaveDict(state, path)
	return path
}

func load(t *testing.T, id string, net *resnet.Net, opts pretrained.Options) *pretrained.Report {
	t.Helper()
	r, err := pretrained.Load(t.Context(), id, net, opts)
	require.NoError(t, err)
	return r
}

func values(net *resnet.Net, name string) []float32 {
	return torch.Slice[float32](net.StateDict()[name])
}

// assertEqual holds two networks to the same tensors, but for those named.
func assertEqual(t *testing.T, a, b *resnet.Net, except ...string) {
	t.Helper()
	for name := range a.StateDict() {
		if !slices.Contains(except, name) {
			require.Equal(t, values(a, name), values(b, name), name)
		}
	}
}

var head = []string{"fc.weight", "fc.bias"}

func TestLoadFolder(t *testing.T) {
	from, to := newNet(t, "resnet18", resnet.CIFARStem, 3), newNet(t, "resnet18", resnet.CIFARStem, 3)
	dir := writeFolder(t, from)
	to.ToChannelsLast()
	r := load(t, dir, to, pretrained.Options{})
	assertEqual(t, from, to)
	assert.Len(t, r.Loaded, len(to.StateDict()))
	assert.Empty(t, r.Fresh)
	assert.Empty(t, r.Adapted)
	assert.Equal(t, filepath.Join(dir, modeldir.SafetensorsFile), r.Path)
	assert.Equal(t, [3]int{3, 160, 160}, r.Folder.Config.Pretrained.InputSize)

	// The folder of a run has it in model/.
	again := newNet(t, "resnet18", resnet.CIFARStem, 3)
	load(t, "local-dir:"+filepath.Dir(dir), again, pretrained.Options{})
	assertEqual(t, from, again)

	s, err := pretrained.Open(t.Context(), dir, pretrained.Options{})
	require.NoError(t, err)
	defer s.Close()
	spec, err := s.Spec()
	require.NoError(t, err)
	assert.Equal(t, from.Spec(), spec)
	assert.Equal(t, [3]int{3, 160, 160}, s.Folder().Config.Pretrained.InputSize)
}

func TestLoadReplacesTheHead(t *testing.T) {
	from := newNet(t, "resnet18", resnet.CIFARStem, 5)
	dir := writeFolder(t, from)
	f := func(classes int64, opts pretrained.Options, fresh bool) {
		t.Helper()
		to := newNet(t, "resnet18", resnet.CIFARStem, classes)
		before := values(to, "fc.weight")
		r := load(t, dir, to, opts)
		assertEqual(t, from, to, head...)
		assert.Equal(t, fresh, slices.Equal(before, values(to, "fc.weight")))
		if fresh {
			assert.Equal(t, head, r.Fresh)
			assert.Contains(t, r.String(), "fc.weight, fc.bias fresh")
		}
	}
	f(5, pretrained.Options{}, false)
	f(5, pretrained.Options{FreshHead: true}, true)
	f(7, pretrained.Options{}, true)
}

func TestLoadCheckpoint(t *testing.T) {
	torchtest.Need(t)
	from := newNet(t, "resnet18", resnet.ImageNetStem, 4)
	extra := map[string]torch.Tensor{"criterion.weight": torch.Ones([]int64{4}, false), "model.bn1.num_batches_tracked": torch.Ones([]int64{}, false)}
	path := writeCheckpoint(t, from, "model.", extra)
	to := newNet(t, "resnet18", resnet.ImageNetStem, 4)
	r := load(t, path, to, pretrained.Options{})
	assertEqual(t, from, to)
	assert.Equal(t, "model.", r.Prefix)
	assert.Contains(t, r.String(), `below "model."`)

	s, err := pretrained.Open(t.Context(), path, pretrained.Options{})
	require.NoError(t, err)
	defer s.Close()
	spec, err := s.Spec()
	require.NoError(t, err)
	assert.Equal(t, from.Spec(), spec)
	assert.Nil(t, s.Folder())

	// A backbone that was saved without its classifier.
	names := from.StateDict()
	delete(names, "fc.weight")
	delete(names, "fc.bias")
	backbone := filepath.Join(t.TempDir(), "backbone.pth")
	torch.SaveDict(names, backbone)
	r = load(t, backbone, to, pretrained.Options{})
	assert.Equal(t, head, r.Fresh)
}

func TestLoadAdaptsTheFirstConvolution(t *testing.T) {
	from, to := newNet(t, "resnet18", resnet.ImageNetStem, 2), newNet(t, "resnet18", resnet.CIFARStem, 2)
	r := load(t, writeFolder(t, from), to, pretrained.Options{})
	assertEqual(t, from, to, "conv1.weight")
	assert.Equal(t, []pretrained.Adaptation{{Name: "conv1.weight", From: []int64{64, 3, 7, 7}, To: []int64{64, 3, 3, 3}}}, r.Adapted)
	assert.Contains(t, r.String(), "conv1.weight adapted from [64 3 7 7] to [64 3 3 3]")
	sum := func(w []float32, each int) (sums []float32) {
		for i := 0; i < len(w); i += each {
			var s float64
			for _, v := range w[i : i+each] {
				s += float64(v)
			}
			sums = append(sums, float32(s))
		}
		return sums
	}
	assert.InDeltaSlice(t, sum(values(from, "conv1.weight"), 49), sum(values(to, "conv1.weight"), 9), 1e-6)

	// A D network has the same tensors with either stem.
	from, to = newNet(t, "resnet18d", resnet.ImageNetStem, 2), newNet(t, "resnet18d", resnet.CIFARStem, 2)
	r = load(t, writeFolder(t, from), to, pretrained.Options{})
	assertEqual(t, from, to)
	assert.Empty(t, r.Adapted)
}

func TestLoadRefuses(t *testing.T) {
	r18, r34 := newNet(t, "resnet18", resnet.CIFARStem, 2), newNet(t, "resnet34", resnet.CIFARStem, 2)
	before := values(r18, "layer1.0.conv1.weight")
	f := func(id string, net *resnet.Net, want ...string) {
		t.Helper()
		_, err := pretrained.Load(t.Context(), id, net, pretrained.Options{})
		for _, w := range want {
			assert.ErrorContains(t, err, w)
		}
	}
	f(writeFolder(t, r34), r18, `cannot load `, `into resnet18: it has, and the network has not, ["layer`, "and 77 more; the weights are of resnet34")
	f(writeFolder(t, r18), r34, `it lacks ["layer1.2.conv1.weight"`, "and 77 more; the weights are of resnet18")
	f(writeFolder(t, newNet(t, "resnet50", resnet.CIFARStem, 2)), r18, `of another shape: "layer1.0.conv1.weight" is [64 64 1 1], not [64 64 3 3]`, "the weights are of resnet50")

	broken := r18.StateDict()
	torch.NoGrad(func() { broken["bn1.bias"].FillI(math.NaN()) })
	f(writeCheckpoint(t, r18, "", nil), newNet(t, "resnet18", resnet.CIFARStem, 2), `tensor "bn1.bias" holds NaN at element 0`)
	assert.Equal(t, before, values(r18, "layer1.0.conv1.weight"), "what fails changes nothing")

	f("absent.ckpt", r18, "no such file")
	f("./absent", r18, "no such file")
	f("runs/2026/model", r18, "no such file")
	f("vit_base", r18, `no architecture "vit_base"; known are`)
	f("resnext101_32x4d", r18, "such as resnext101_32x4d.fb_swsl_ig1b_ft_in1k, after reading its licence")
	f("resnet200", r18, "no weights of resnet200 in timm")
	f("a--b/c", r18, "no name of a repository")
	other := filepath.Join(t.TempDir(), "mlp.pth")
	torch.SaveDict(map[string]torch.Tensor{"0.weight": torch.Ones([]int64{2, 2}, false)}, other)
	f(other, r18, `it lacks ["conv1.weight" "bn1.weight" "bn1.bias"] and 97 more; give weights of this architecture`)
	s, err := pretrained.Open(t.Context(), other, pretrained.Options{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Spec()
	assert.ErrorContains(t, err, "cannot tell the architecture")
}

func TestLoadFromTheHub(t *testing.T) {
	from := newNet(t, "resnet18", resnet.ImageNetStem, 6)
	dir := writeFolder(t, from)
	file := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return data
	}
	h := hubtest.New(t)
	commit := h.Put("timm/resnet18.a1_in1k", map[string][]byte{"config.json": file("config.json"), "model.safetensors": file("model.safetensors")})
	client := &hub.Client{Endpoint: h.URL, Cache: t.TempDir(), Backoff: time.Millisecond}
	opts := pretrained.Options{Hub: client}
	for _, id := range []string{"timm/resnet18.a1_in1k", "hf-hub:timm/resnet18.a1_in1k@" + commit, "resnet18", "resnet18.a1_in1k@main"} {
		to := newNet(t, "resnet18", resnet.ImageNetStem, 6)
		r := load(t, id, to, opts)
		assertEqual(t, from, to)
		assert.Equal(t, id, r.ID)
	}
	client.Offline = true
	load(t, "resnet18", newNet(t, "resnet18", resnet.ImageNetStem, 6), opts)
	client.Offline = false

	s, err := pretrained.Open(t.Context(), "resnet18", opts)
	require.NoError(t, err)
	assert.Equal(t, [3]int{3, 160, 160}, s.Folder().Config.Pretrained.InputSize)
	assert.Contains(t, s.Path, filepath.Join("snapshots", commit))
	require.NoError(t, s.Close())

	// Weights without a configuration, and pickled.
	data, err := os.ReadFile(writeCheckpoint(t, from, "", nil))
	require.NoError(t, err)
	h.Put("me/bare", map[string][]byte{"pytorch_model.bin": data})
	to := newNet(t, "resnet18", resnet.ImageNetStem, 6)
	assert.True(t, strings.HasSuffix(load(t, "me/bare", to, opts).Path, modeldir.PickleFile))
	assertEqual(t, from, to)

	h.Put("me/none", map[string][]byte{"config.json": file("config.json")})
	_, err = pretrained.Load(t.Context(), "me/none", to, opts)
	assert.ErrorIs(t, err, hub.ErrNoFile)
	_, err = pretrained.Load(t.Context(), "timm/resnet18.b9_in1k", to, opts)
	assert.ErrorIs(t, err, hub.ErrNoRepo)
	assert.ErrorContains(t, err, `cannot start from the weights "timm/resnet18.b9_in1k"`)
}
