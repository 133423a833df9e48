package main

import (
	"encoding/json"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// writePhotos makes an image folder of a few photos a class.
func writePhotos(t *testing.T, each int, classes ...string) string {
	t.Helper()
	data := t.TempDir()
	for i, class := range classes {
		require.NoError(t, os.Mkdir(filepath.Join(data, class), 0o755))
		for j := range each {
			path := filepath.Join(data, class, string(rune('a'+j))+".jpg")
			require.NoError(t, os.WriteFile(path, photo(t, 40, 30, uint64(10*i+j)), 0o644))
		}
	}
	return data
}

func TestEvalReport(t *testing.T) {
	torchtest.Need(t)
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 32)
	data := writePhotos(t, 4, "cat", "dog", "ship")
	dir := filepath.Join(t.TempDir(), "reports", "one")

	out, stderr, code := runCommand(t, "eval", "--model", model, "--data", data, "--report", dir)
	require.Zero(t, code, stderr)
	assert.Contains(t, out, "accuracy ")
	assert.Contains(t, out, "report: "+filepath.Join(dir, "index.html"))
	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	require.NoError(t, err)
	for _, want := range []string{
		"How good is random?", "12 images, 10 classes", "data:image/png;base64,", "7 classes have no images here",
		"32 × 32 pixels, RGB", "cifar", "torchlit eval --model " + model,
	} {
		assert.Contains(t, string(page), want)
	}

	var metrics struct {
		N        int
		Accuracy float64
	}
	file, err := os.ReadFile(filepath.Join(dir, "metrics.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(file, &metrics))
	assert.Equal(t, 12, metrics.N)

	// The same images, printed as JSON, and in the order of their files.
	out, stderr, code = runCommand(t, "eval", "--model", model, "--data", data, "--json")
	require.Zero(t, code, stderr)
	var printed struct{ Accuracy float64 }
	require.NoError(t, json.Unmarshal([]byte(out), &printed))
	assert.Equal(t, metrics.Accuracy, printed.Accuracy)
	predictions, err := os.ReadFile(filepath.Join(dir, "predictions.csv"))
	require.NoError(t, err)
	lines := strings.Split(string(predictions), "\n")
	assert.True(t, strings.HasPrefix(lines[1], "cat/a.jpg,cat,"), lines[1])
	assert.True(t, strings.HasPrefix(lines[12], "ship/d.jpg,ship,"), lines[12])
}

func TestEvalErrors(t *testing.T) {
	torchtest.Need(t)
	model := writeModel(t, "resnet18", resnet.CIFARStem, 10, 32)
	data := writePhotos(t, 1, "cat")
	f := func(says string, args ...string) {
		t.Helper()
		_, stderr, code := runCommand(t, append([]string{"eval", "--model", model}, args...)...)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, says)
	}
	file := filepath.Join(data, "cat", "a.jpg")
	f("cannot make the report's folder", "--data", data, "--report", filepath.Join(file, "report"))
	require.NoError(t, os.WriteFile(filepath.Join(data, "cat", "b.jpg"), []byte("no image"), 0o644))
	f("b.jpg", "--data", data)

	out, stderr, code := runCommand(t, "eval", "--model", model, "--data", data, "--json", "--skip-corrupt")
	require.Zero(t, code, stderr)
	assert.Contains(t, stderr, "left out")
	assert.Contains(t, stderr, "b.jpg")
	assert.Contains(t, out, `"n":1,`)

	require.NoError(t, os.Remove(file))
	f("none of its 1 images can be decoded", "--data", data, "--skip-corrupt")
}

func TestModelName(t *testing.T) {
	f := func(dir, want string) {
		t.Helper()
		assert.Equal(t, want, modelName(dir))
	}
	f("models/cifar10-resnet18", "cifar10-resnet18")
	f("models/photos/12", "photos/12")
	f("/data/runs/2026-11-23/21-30-00/model", "2026-11-23/21-30-00")
}

func TestThumbnail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "photo.jpg")
	f := func(width, height, wantWidth, wantHeight int, wantFormat string) {
		t.Helper()
		require.NoError(t, os.WriteFile(file, photo(t, width, height, 1), 0o644))
		data, err := thumbnail(file)
		require.NoError(t, err)
		config, format, err := image.DecodeConfig(strings.NewReader(string(data)))
		require.NoError(t, err)
		assert.Equal(t, wantFormat, format)
		assert.Equal(t, [2]int{wantWidth, wantHeight}, [2]int{config.Width, config.Height})
	}
	f(32, 32, 32, 32, "png")
	f(400, 300, 200, 150, "jpeg")
	f(100, 800, 25, 200, "jpeg")
}
