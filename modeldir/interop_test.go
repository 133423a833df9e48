//go:build interop

package modeldir

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/torch/safetensors"
)

// TestInteropTimm loads two full-size folders with timm.
func TestInteropTimm(t *testing.T) {
	python := interop.Python(t, "torch")
	keep := t.TempDir()
	data, err := os.ReadFile("testdata/resnet18_shapes.json")
	require.NoError(t, err)
	var shapes map[string][]int64
	require.NoError(t, json.Unmarshal(data, &shapes))
	write := func(name, stem string) {
		t.Helper()
		var entries []safetensors.Entry
		for _, key := range slices.Sorted(maps.Keys(shapes)) {
			shape := shapes[key]
			n := int64(1)
			for _, d := range shape {
				n *= d
			}
			values := slices.Repeat([]float32{0.5}, int(n))
			e, err := safetensors.FromFloat32(key, safetensors.F16, shape, values)
			if strings.HasSuffix(key, "num_batches_tracked") {
				e, err = safetensors.Entry{Name: key, DType: safetensors.I64, Shape: shape, Data: make([]byte, 8)}, nil
			}
			require.NoError(t, err)
			entries = append(entries, e)
		}
		m := &Folder{Config: DefaultConfig("resnet18", 10), Extras: Extras{Stem: stem}}
		m.Config.LabelNames = CIFAR10Labels()
		m.Config.Pretrained.InputSize = [3]int{3, 64, 64}
		m.Config.Pretrained.Interpolation, m.Config.Pretrained.CropPct = "bilinear", 1
		require.NoError(t, Write(filepath.Join(keep, name), m, func(tmp string) error {
			return safetensors.Write(filepath.Join(tmp, SafetensorsFile), entries, map[string]string{"format": "pt"})
		}))
	}
	write("imagenet", StemImageNet)
	shapes["conv1.weight"] = []int64{64, 3, 3, 3}
	write("cifar", StemCIFAR)
	t.Log(interop.Run(t, python, "testdata/check.py", keep))
}
