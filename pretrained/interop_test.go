//go:build interop

package pretrained_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/hub"
	"github.com/torchlit/torchlit/hub/hubtest"
	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/pretrained"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// TestInteropTimm starts networks from repositories that timm saved, and holds features
// and logits to those that timm computes when it starts from them: with the same classes,
// with others, and from torchvision's own file.
func TestInteropTimm(t *testing.T) {
	python := interop.Python(t, "torch")
	dir := t.TempDir()
	t.Log(interop.Run(t, python, "testdata/answers.py", append([]string{dir}, slices.Sorted(maps.Keys(pretrained.DefaultTags()))...)...))
	data, err := os.ReadFile(filepath.Join(dir, "tags.json"))
	require.NoError(t, err)
	var tags map[string]string
	require.NoError(t, json.Unmarshal(data, &tags))
	assert.Equal(t, tags, pretrained.DefaultTags())
	h := hubtest.New(t)
	opts := pretrained.Options{Hub: &hub.Client{Endpoint: h.URL, Cache: t.TempDir(), Backoff: time.Millisecond}}
	for _, architecture := range []string{"resnet18", "resnet18d", "resnext50_32x4d"} {
		files := map[string][]byte{}
		for _, name := range []string{"config.json", "model.safetensors"} {
			data, err := os.ReadFile(filepath.Join(dir, architecture, name))
			require.NoError(t, err)
			files[name] = data
		}
		h.Put("timm/"+architecture+".test", files)
		want, err := safetensors.Open(filepath.Join(dir, architecture+".answers.safetensors"))
		require.NoError(t, err)
		defer want.Close()

		same := newNet(t, architecture, resnet.ImageNetStem, 1000)
		r := load(t, "timm/"+architecture+".test", same, opts)
		assert.Empty(t, r.Fresh)
		compare(t, want, "logits", same.Forward)
		other := newNet(t, architecture, resnet.ImageNetStem, 7)
		r = load(t, architecture+".test", other, opts)
		assert.Equal(t, head, r.Fresh)
		compare(t, want, "features", other.ForwardFeatures)
	}
	vision := newNet(t, "resnet18", resnet.ImageNetStem, 1000)
	load(t, filepath.Join(dir, "torchvision.pth"), vision, opts)
	want, err := safetensors.Open(filepath.Join(dir, "torchvision.answers.safetensors"))
	require.NoError(t, err)
	defer want.Close()
	compare(t, want, "logits", vision.Forward)
}

// compare runs a network on the images of a file of answers.
func compare(t *testing.T, answers *safetensors.File, name string, forward func(torch.Tensor) torch.Tensor) {
	t.Helper()
	tensor := func(name string) ([]float32, []int64) {
		v, ok := answers.Tensor(name)
		require.True(t, ok, name)
		x, err := safetensors.Float32(v)
		require.NoError(t, err)
		return x, v.Shape
	}
	images, shape := tensor("images")
	want, _ := tensor(name)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		torch.NoGrad(func() {
			assert.InDeltaSlice(t, want, torch.Slice[float32](forward(torch.FromSlice(images, shape...))), 1e-4)
		})
	})
}
