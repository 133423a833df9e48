//go:build interop

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// TestInteropExport compares models with TorchScript that timm's own have become, and
// converts the pickle that PyTorch writes.
func TestInteropExport(t *testing.T) {
	torchtest.Need(t)
	python := interop.Python(t, "torch")
	model, made := writeModel(t, "resnet18", resnet.ImageNetStem, 10, 64), t.TempDir()
	interop.Run(t, python, filepath.Join("testdata", "torchscript.py"), model, made)

	pickled, converted := t.TempDir(), filepath.Join(t.TempDir(), "converted")
	for name, from := range map[string]string{modeldir.ConfigFile: model, modeldir.PickleFile: made} {
		require.NoError(t, copyFile(filepath.Join(pickled, name), filepath.Join(from, name)))
	}
	f := func(want int, says string, args ...string) {
		t.Helper()
		out, stderr, code := runCommand(t, append([]string{"export"}, args...)...)
		require.Equal(t, want, code, stderr)
		assert.Contains(t, out+stderr, says)
	}
	at := func(name string) string { return filepath.Join(made, name) }
	f(0, "(0.0001 is allowed) on 8 random images, the same label on 8", "--model", pickled, "--output", converted, "--torchscript-check", at("scripted.pt"))
	f(0, "(0.0001 is allowed) on 8 random images, the same label on 8", "--model", converted, "--torchscript-check", at("traced.pt"))
	f(0, "(0.03 is allowed) on 8 random images", "--model", pickled, "--dtype", "bf16", "--output", converted+"16", "--torchscript-check", at("traced.pt"))
	f(1, "return logits, not probabilities", "--model", converted, "--torchscript-check", at("probabilities.pt"))
	other := writeModel(t, "resnet18", resnet.ImageNetStem, 4, 64)
	f(1, "its forward returns a tensor [8 10], want logits [8, 4]", "--model", other, "--torchscript-check", at("traced.pt"))

	files, err := os.ReadDir(converted)
	require.NoError(t, err)
	for _, file := range files {
		assert.NotEqual(t, modeldir.PickleFile, file.Name())
	}
	assert.Equal(t, safetensors.F32, tensorOf(t, converted, "conv1.weight").DType)
	assert.Equal(t, safetensors.I64, tensorOf(t, converted, "bn1.num_batches_tracked").DType)
}
