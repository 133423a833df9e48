package reference

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor/monitortest"
	"github.com/torchlit/torchlit/torch/safetensors"
)

func build(tb testing.TB, w monitortest.World, n int) *Reference {
	tb.Helper()
	answers, truth := w.Answers(n, 1)
	r, err := Build(answers, truth, Options{Source: "the world", Dims: 8, Samples: 900, Embeddings: 300})
	require.NoError(tb, err)
	return r
}

func TestBuild(t *testing.T) {
	r := build(t, monitortest.World{}, 2000)
	assert.Equal(t, 2000, r.Images)
	assert.Len(t, r.Probabilities, 900)
	assert.Len(t, r.Properties, 900)
	assert.Len(t, r.Embeddings, 300)
	assert.Len(t, r.Embeddings[0], 9, "the coordinates, and the length of the rest")
	assert.Equal(t, monitortest.Labels(), r.Labels)
	right := 0
	answers, truth := monitortest.World{}.Answers(2000, 1)
	for i, a := range answers {
		if evaluate.Best(a.Probabilities) == truth[i] {
			right++
		}
	}
	assert.InDelta(t, float64(right)/2000, r.Accuracy, 1e-9)
	assert.InDelta(t, 0.9, r.Calibration.At(0.9), 0.08, "the world's answers are calibrated")
}

// TestSamplesAreOthers: what coordinates are fitted to is not what they are compared with, also of a small set.
func TestSamplesAreOthers(t *testing.T) {
	answers, truth := monitortest.World{}.Answers(MinImages, 1)
	r, err := Build(answers, truth, Options{Dims: 8})
	require.NoError(t, err)
	assert.Len(t, r.Probabilities, MinImages)
	assert.Len(t, r.Embeddings, MinImages/2)
}

func TestBuildRefuses(t *testing.T) {
	answers, truth := monitortest.World{}.Answers(MinImages-1, 1)
	_, err := Build(answers, truth, Options{})
	assert.ErrorContains(t, err, "cannot make a reference of 399 images: it needs at least 400")
	answers, truth = monitortest.World{}.Answers(MinImages, 1)
	for c := range answers[7].Probabilities {
		answers[7].Probabilities[c] = float32(nan())
	}
	_, err = Build(answers, truth, Options{})
	assert.ErrorContains(t, err, "not numbers")
}

func nan() float64 { var zero float64; return zero / zero }

// TestFile: what is read is what was written, with and without embeddings.
func TestFile(t *testing.T) {
	for _, bare := range []bool{false, true} {
		r := build(t, monitortest.World{Bare: bare}, 2000)
		assert.Equal(t, bare, r.Projection == nil)
		path := filepath.Join(t.TempDir(), FileName)
		require.NoError(t, r.Write(path))
		got, err := Read(path)
		require.NoError(t, err)
		assert.Equal(t, r, got)
		if !bare {
			assert.Equal(t, r.Space.Score(r.Embeddings[5]), got.Space.Score(got.Embeddings[5]))
		}
	}
}

// TestReadRefuses what does not fit together. Each case takes a good file and spoils one thing.
func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, FileName)
	require.NoError(t, build(t, monitortest.World{}, 2000).Write(good))
	f := func(says string, spoil func(tensors map[string]safetensors.View, meta map[string]string)) {
		t.Helper()
		file, err := safetensors.Open(good)
		require.NoError(t, err)
		defer file.Close()
		tensors, meta := map[string]safetensors.View{}, file.Metadata()
		for _, name := range file.Names() {
			tensors[name], _ = file.Tensor(name)
		}
		spoil(tensors, meta)
		var entries []safetensors.Entry
		for _, v := range tensors {
			entries = append(entries, v)
		}
		bad := filepath.Join(dir, "bad.safetensors")
		require.NoError(t, safetensors.Write(bad, entries, meta))
		_, err = Read(bad)
		assert.ErrorContains(t, err, says)
		assert.ErrorContains(t, err, "torchlit export --reference")
	}
	edit := func(from, to string) func(map[string]safetensors.View, map[string]string) {
		return func(_ map[string]safetensors.View, meta map[string]string) {
			before := meta[metadataKey]
			if meta[metadataKey] = strings.Replace(before, from, to, 1); meta[metadataKey] == before {
				t.Fatalf("%q is not in %s", from, before)
			}
		}
	}
	without := func(name string) func(map[string]safetensors.View, map[string]string) {
		return func(tensors map[string]safetensors.View, _ map[string]string) { delete(tensors, name) }
	}
	f("no torchlit.drift", func(_ map[string]safetensors.View, meta map[string]string) { delete(meta, metadataKey) })
	f("version 2", edit(`"version":1`, `"version":2`))
	f("other properties", edit(`"brightness"`, `"darkness"`))
	f("accuracy is 7", edit(`"accuracy":0`, `"accuracy":7`))
	f("shape", edit(`["a",`, `["a","f",`))
	f("not ascending", edit(`"right":`, `"right":99999`))
	f(`no tensor "probabilities"`, without(tensorProbabilities))
	f(`no tensor "space.whitening"`, without(tensorWhitening))
	f(`no tensor "projection.mean"`, without(tensorMean))
	f(`"coordinates" holds`, func(tensors map[string]safetensors.View, _ map[string]string) {
		v := tensors[tensorCoordinates]
		data := append([]byte(nil), v.Data...)
		copy(data, []byte{0, 0, 0xc0, 0x7f})
		v.Data = data
		tensors[tensorCoordinates] = v
	})
	_, err := Read(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// FuzzRead: whatever is taken can be used.
func FuzzRead(f *testing.F) {
	dir := f.TempDir()
	good := filepath.Join(dir, FileName)
	answers, truth := monitortest.World{}.Answers(MinImages, 1)
	r, err := Build(answers, truth, Options{Dims: 3})
	require.NoError(f, err)
	require.NoError(f, r.Write(good))
	data, err := os.ReadFile(good)
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := safetensors.Parse(data)
		if err != nil {
			return
		}
		r, err := parse(file)
		if err != nil || r.Projection == nil {
			return
		}
		row := make([]float32, len(r.Projection.Mean))
		r.Space.Score(r.Projection.Apply(nil, row))
		r.Calibration.Estimate([]float64{0.1, 0.9}, 0)
	})
}
