package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// tensorOf reads a tensor of a model folder.
func tensorOf(t testing.TB, dir, name string) safetensors.View {
	t.Helper()
	file, err := safetensors.Open(filepath.Join(dir, modeldir.SafetensorsFile))
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	v, ok := file.Tensor(name)
	require.True(t, ok, name)
	return v
}

// A folder keeps all but the numbers' type; what f16 says survives the way through f32.
func TestExportConverts(t *testing.T) {
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 32)
	addKey(t, filepath.Join(model, modeldir.ConfigFile), "theirs", "kept")
	addKey(t, filepath.Join(model, modeldir.ExtrasFile), "temperature", 1.5)
	for name, text := range map[string]string{"README.md": "a card", "figures/one.svg": "<svg/>", ".hidden": "", "old.ckpt": ""} {
		path := filepath.Join(model, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	first := tensorOf(t, model, "conv1.weight")
	dir := filepath.Join(t.TempDir(), "photos", "1")

	out, stderr, code := runCommand(t, "export", "--model", model, "--dtype", "f32", "--output", dir)
	require.Zero(t, code, stderr)
	assert.Equal(t, dir+": resnet18, 10 classes, f32, 44.7 MB, from "+model+"\n", out)
	assert.Equal(t, safetensors.F32, tensorOf(t, dir, "conv1.weight").DType)
	for name, want := range map[string]string{"README.md": "a card", "figures/one.svg": "<svg/>"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
	}
	assert.NoFileExists(t, filepath.Join(dir, ".hidden"))
	assert.NoFileExists(t, filepath.Join(dir, "old.ckpt"))
	folder, err := modeldir.Open(dir)
	require.NoError(t, err)
	require.NotNil(t, folder.Extras.Temperature)
	assert.Equal(t, 1.5, *folder.Extras.Temperature)
	assert.Equal(t, modeldir.CIFAR10Labels(), folder.Labels())
	config, err := os.ReadFile(filepath.Join(dir, modeldir.ConfigFile))
	require.NoError(t, err)
	assert.Contains(t, string(config), `"theirs": "kept"`)

	// In place, and back.
	_, stderr, code = runCommand(t, "export", "--model", dir, "--dtype", "F16", "--output", dir)
	require.Zero(t, code, stderr)
	assert.Equal(t, first, tensorOf(t, dir, "conv1.weight"))
	assert.FileExists(t, filepath.Join(dir, "README.md"))

	// Without --dtype the numbers stay as they are.
	_, stderr, code = runCommand(t, "export", "--model", dir, "--output", dir+"0")
	require.Zero(t, code, stderr)
	assert.Equal(t, first, tensorOf(t, dir+"0", "conv1.weight"))
}

func addKey(t testing.TB, path, key string, value any) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(data, &all))
	all[key] = value
	data, err = json.Marshal(all)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

func TestExportRun(t *testing.T) {
	torchtest.Need(t)
	data, run := writeImages(t), filepath.Join(t.TempDir(), "run")
	_, stderr, code := runCommand(t, "train", "data.dir="+data, "data.batch_size=4", "data.sizes=[]",
		"trainer.precision=32", "trainer.threads=1", "trainer.max_epochs=2", "ema.decay=0.9", "output_dir="+run)
	require.Zero(t, code, stderr)
	dir := filepath.Join(t.TempDir(), "model")
	export := func(args ...string) string {
		t.Helper()
		out, stderr, code := runCommand(t, append([]string{"export", "--output", dir}, args...)...)
		require.Zero(t, code, stderr)
		return out
	}
	assert.Contains(t, export("--run", run), dir+": resnet18, 2 classes, f16, 22.4 MB, from "+filepath.Join(run, "checkpoints", "epoch=2-step=8.safetensors"))
	averaged := tensorOf(t, dir, "fc.weight")
	assert.Equal(t, tensorOf(t, filepath.Join(run, "model"), "fc.weight"), averaged, "the run ended with the same weights")

	export("--run", run, "--weights", "raw")
	assert.NotEqual(t, averaged, tensorOf(t, dir, "fc.weight"))
	export("--run", run, "--checkpoint", "best", "--dtype", "bf16")
	assert.Equal(t, safetensors.BF16, tensorOf(t, dir, "fc.weight").DType)
	export("--run", filepath.Join(run, "checkpoints", "epoch=1-step=4.safetensors"), "--dtype", "f32")
	assert.Equal(t, safetensors.F32, tensorOf(t, dir, "fc.weight").DType)
}

func TestExportErrors(t *testing.T) {
	model := writeModel(t, "resnet18", resnet.CIFARStem, 2, 32)
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "thesis.tex"), nil, 0o644))
	f := func(want int, says string, args ...string) {
		t.Helper()
		_, stderr, code := runCommand(t, append([]string{"export"}, args...)...)
		assert.Equal(t, want, code)
		assert.Contains(t, stderr, says)
	}
	f(2, "give either --run", "--output", "x")
	f(2, "give either --run", "--output", "x", "--run", "a", "--model", "b")
	f(2, "--output is missing", "--model", model)
	f(2, "--output is missing: what is checked is a model folder", "--run", "a", "--torchscript-check", "x.pt")
	f(2, "--dtype=int8: give f16, bf16 or f32", "--model", model, "--output", "x", "--dtype", "int8")
	f(2, "give --run instead", "--model", model, "--output", "x", "--weights", "ema")
	f(1, "cannot open model folder", "--model", full, "--output", "x")
	f(1, "is no model folder; choose another path", "--model", model, "--output", full)

	v, err := safetensors.FromFloat32("fc.bias", safetensors.F32, []int64{2}, []float32{1, -65520})
	require.NoError(t, err)
	_, err = convertTensor(v, safetensors.F16)
	require.ErrorContains(t, err, `"fc.bias" holds -65520, which is infinite in f16; give --dtype bf16 or f32`)
	v, err = safetensors.FromFloat32("fc.bias", safetensors.F32, []int64{2}, []float32{65504, float32(math.Inf(1))})
	require.NoError(t, err)
	_, err = convertTensor(v, safetensors.F16)
	require.NoError(t, err)
}

func TestCompareLogits(t *testing.T) {
	f := func(a, b [][]float32, wantApart float64, wantSame int) {
		t.Helper()
		apart, same := compareLogits(a, b)
		assert.InDelta(t, wantApart, apart, 1e-9)
		assert.Equal(t, wantSame, same)
	}
	f([][]float32{{1, 2}, {4, 3}}, [][]float32{{1, 2}, {4, 3}}, 0, 2)
	f([][]float32{{1, 2}, {4, 3}}, [][]float32{{2, 1}, {4, 3}}, 0.25, 1)
	f([][]float32{{0, 0}}, [][]float32{{0, 0}}, 0, 1)
	nan := float32(math.NaN())
	apart, _ := compareLogits([][]float32{{nan, 2}}, [][]float32{{1, 2}})
	assert.True(t, math.IsNaN(apart))
}
