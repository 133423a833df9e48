package train_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/train"
)

// TestExtraImages: a run goes on from a model folder, whose architecture and stem it takes over, with a second set among the first.
func TestExtraImages(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	first := small(t, stripes(t, 40))
	_, err := train.Run(t.Context(), first, train.Events{})
	require.NoError(t, err)
	served := filepath.Join(first.OutputDir, "model")

	extra := filepath.Join(stripes(t, 20), "train")
	cfg := small(t, first.Data.Dir)
	cfg.Init, cfg.Model = served, train.Model{}
	cfg.Data.ExtraDir, cfg.Data.ExtraShare = extra, 0.4
	cfg.Optim.LR, cfg.Trainer.MaxEpochs = 0.002, 1
	var started train.Started
	var seen train.Validation
	result, err := train.Run(t.Context(), cfg, train.Events{
		Started: func(s train.Started) { started = s }, Validated: func(v train.Validation) { seen = v },
	})
	require.NoError(t, err)
	assert.Equal(t, 80+36, started.TrainSize, "a tenth of the extra images is held out")
	assert.Equal(t, 80, started.ValSize, "the old images alone validate")
	assert.Equal(t, "resnet18 cifar", result.Network.Name+" "+string(result.Network.Stem))
	assert.Empty(t, result.Stopped)
	assert.Greater(t, result.ValAccuracy, 0.95)
	require.NotNil(t, seen.Extra)
	assert.Greater(t, seen.Extra.Accuracy, 0.7)
	folder, err := modeldir.Open(result.Model)
	require.NoError(t, err)
	assert.Equal(t, modeldir.StemCIFAR, folder.Extras.Stem)
	assert.Contains(t, folder.Extras.TrainingRun.Dataset, " and train")
	metrics, err := os.ReadFile(filepath.Join(cfg.OutputDir, "metrics.csv"))
	require.NoError(t, err)
	assert.Contains(t, string(metrics), "val_extra_accuracy")
	keepsLabelOrder(t, served, first.Data.Dir)
}

// keepsLabelOrder: the rows of a classifier mean the same classes after fine-tuning, where they are not in the order of the
// folders' names.
func keepsLabelOrder(t *testing.T, served, data string) {
	t.Helper()
	file := filepath.Join(served, "config.json")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal(text, &config))
	swapped := []string{"vertical", "horizontal"}
	config["label_names"] = swapped
	text, err = json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o644))

	cfg := small(t, data)
	cfg.Init, cfg.Optim.LR, cfg.Trainer.MaxEpochs = served, 1e-9, 1
	result, err := train.Run(t.Context(), cfg, train.Events{})
	require.NoError(t, err)
	assert.Equal(t, swapped, result.Facts.Classes)
	assert.Less(t, result.ValAccuracy, 0.05, "each row stands for the other class now")
}

func TestExtraImagesErrors(t *testing.T) {
	torchtest.Need(t)
	data := stripes(t, 8)
	f := func(says string, change func(*train.Config)) {
		t.Helper()
		cfg := small(t, data)
		cfg.Data.ExtraDir, cfg.Data.ExtraShare = filepath.Join(data, "train"), 0.3
		change(&cfg)
		_, err := train.Run(t.Context(), cfg, train.Events{})
		assert.ErrorContains(t, err, says)
	}
	f("data.extra_share=1", func(c *train.Config) { c.Data.ExtraShare = 1 })
	f("data.sampler=weighted", func(c *train.Config) { c.Data.ClassWeights = "inverse_root" })
	f(`"dark" is not among the 2 known classes (horizontal, vertical)`, func(c *train.Config) { c.Data.ExtraDir = photos(t, 2, 2) })
	f("data.extra_dir", func(c *train.Config) { c.Data.ExtraDir = filepath.Join(data, "none") })
	f("data.extra_share=0: give", func(c *train.Config) { c.Data.ExtraShare = 0 })
	f("set data.extra_dir to a folder", func(c *train.Config) { c.Data.ExtraDir = "" })
	f(`the architecture of init="": that is no model folder`, func(c *train.Config) { c.Model.Name = "" })
}
