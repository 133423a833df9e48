package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

func needInt8(t *testing.T) {
	t.Helper()
	torchtest.Need(t)
	machine, err := predict.Supports()
	require.NoError(t, err)
	if !machine[predict.Int8].Fast {
		t.Skip("this CPU has no instructions for int8, or this libtorch no oneDNN")
	}
}

func TestExportInt8(t *testing.T) {
	needInt8(t)
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 16)
	photos := writePhotos(t, 3, modeldir.CIFAR10Labels()...)
	dir := filepath.Join(t.TempDir(), "int8")
	out, stderr, code := runCommand(t, "export", "--model", model, "--int8", "--calibrate", photos,
		"--calibrate-images", "10", "--max-accuracy-drop", "100", "--output", dir)
	require.Zero(t, code, stderr)
	assert.Contains(t, out, "on 20 images\n")
	assert.Contains(t, out, "first layer in float, ranges of 10 images by mse")
	folder, err := modeldir.Open(dir)
	require.NoError(t, err)
	c, err := predict.ParseCalibration(folder.Extras.Int8)
	require.NoError(t, err)
	assert.Len(t, c.Layers, 20)
	assert.Equal(t, 20, c.Accuracy.Images)

	for _, precision := range []string{"int8", "auto"} {
		_, stderr, code = runCommand(t, "eval", "--model", dir, "--data", photos, "--precision", precision)
		assert.Zero(t, code, stderr)
	}
	_, stderr, code = runCommand(t, "eval", "--model", model, "--data", photos, "--precision", "int8")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "the model is not calibrated")
}

func TestExportInt8BadFlags(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		_, stderr, code := runCommand(t, append([]string{"export", "--model", "m", "--output", "o"}, args...)...)
		assert.Equal(t, 2, code)
		assert.Contains(t, stderr, want)
	}
	f("--calibrate is missing", "--int8")
	f("--calibrate and --data are for --int8", "--calibrate", "photos")
	f("--calibrate-method=entropy", "--int8", "--calibrate", "photos", "--calibrate-method", "entropy")
	f("--first-layer=bf16", "--int8", "--calibrate", "photos", "--first-layer", "bf16")
	f("in points", "--int8", "--calibrate", "photos", "--max-accuracy-drop", "-1")
	f("at least 1", "--int8", "--calibrate", "photos", "--calibrate-images", "0")
}

// A calibration whose ranges are far too wide makes bytes of 0 of all activations. The
// images' classes are what fp32 says, so its accuracy is 100 %.
func TestInt8Refused(t *testing.T) {
	needInt8(t)
	folder, err := modeldir.Open(filepath.Join("..", "..", "models", "cifar10-resnet18"))
	require.NoError(t, err)
	var images labelled
	images.files, err = filepath.Glob(filepath.Join(writePhotos(t, 4, "a", "b", "c"), "*", "*"))
	require.NoError(t, err)
	require.Len(t, images.files, 12)
	p, err := openFolder(folder, predict.Options{Precision: predict.FP32, MaxBatch: 4}, queueSettings{}, batching.Observer{})
	require.NoError(t, err)
	for _, file := range images.files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		probabilities, err := p.probabilities(context.Background(), data)
		require.NoError(t, err)
		images.labels = append(images.labels, int64(slices.Index(probabilities, slices.Max(probabilities))))
	}
	require.NoError(t, p.close(context.Background()))
	c, err := predict.ParseCalibration(folder.Extras.Int8)
	require.NoError(t, err)
	f := int8Flags{maxFall: 10}
	var out bytes.Buffer
	_, err = f.compare(context.Background(), &out, folder, map[string]*predict.Calibration{"int8": c}, images)
	require.NoError(t, err)
	assert.Contains(t, out.String(), "fp32  100.00 %  on 12 images")

	for name := range maps.Keys(c.Layers) {
		l := c.Layers[name]
		l.Scale *= 1e4
		c.Layers[name] = l
	}
	_, err = f.compare(context.Background(), &out, folder, map[string]*predict.Calibration{"int8": c}, images)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "accuracy falls by")
	assert.Contains(t, err.Error(), "10.00 are allowed")
}

func TestSpread(t *testing.T) {
	l := labelled{files: []string{"a", "b", "c", "d", "e", "f", "g"}, labels: []int64{0, 0, 0, 1, 1, 1, 1}}
	taken, rest := l.spread(3)
	assert.Equal(t, []string{"c", "e", "g"}, taken.files)
	assert.Equal(t, []int64{0, 1, 1}, taken.labels)
	assert.Equal(t, []string{"a", "b", "d", "f"}, rest.files)
	taken, rest = l.spread(100)
	assert.Len(t, taken.files, 7)
	assert.Empty(t, rest.files)
}
