package train_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/train"
)

func TestExport(t *testing.T) {
	cfg, result, w := run(t, func(c *train.Config) { c.EMA.Decay, c.Trainer.MaxEpochs, c.Checkpoint.Keep = 0.5, 2, 9 })
	export := func(e train.Export) (checkpoint string, weights []float32) {
		t.Helper()
		e.Output = filepath.Join(t.TempDir(), "model")
		checkpoint, err := train.ExportModel(e)
		require.NoError(t, err)
		_, err = modeldir.Open(e.Output)
		require.NoError(t, err)
		return checkpoint, tensorOf(t, filepath.Join(e.Output, modeldir.SafetensorsFile), "fc.weight")
	}
	paths := checkpoints(t, cfg)
	last := paths[len(paths)-1]
	weights := func(path string) []float32 {
		return tensorOf(t, filepath.Join(path, modeldir.SafetensorsFile), "fc.weight")
	}

	// What the run itself left is what an export of its last checkpoint gives.
	from, exported := export(train.Export{From: cfg.OutputDir})
	assert.Equal(t, last, from)
	assert.Equal(t, weights(result.Model), exported)
	a, err := modeldir.Open(result.Model)
	require.NoError(t, err)
	assert.Equal(t, []string{"horizontal", "vertical"}, a.Labels())

	_, raw := export(train.Export{From: last, Weights: "raw", DType: safetensors.F32})
	assert.Equal(t, tensorOf(t, last, "fc.weight"), raw)
	best := 0
	if w.checks[1].Accuracy > w.checks[0].Accuracy {
		best = 1
	}
	from, _ = export(train.Export{From: cfg.OutputDir, Checkpoint: "best"})
	assert.Equal(t, paths[best], from)

	f := func(want string, e train.Export) {
		t.Helper()
		e.Output = filepath.Join(t.TempDir(), "model")
		_, err := train.ExportModel(e)
		require.ErrorContains(t, err, want)
		assert.NoDirExists(t, e.Output)
	}
	f("is it a run folder", train.Export{From: cfg.Data.Dir})
	f("no such file", train.Export{From: "/nowhere"})
	f("it holds no swa weights", train.Export{From: last, Weights: "swa"})
	f("give raw, ema or swa", train.Export{From: last, Weights: "best"})
	f("give last, best, or a checkpoint's file", train.Export{From: cfg.OutputDir, Checkpoint: "third"})
	f("is no checkpoint of a run", train.Export{From: filepath.Join(result.Model, modeldir.SafetensorsFile)})
}
