package train_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/hub/hubtest"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/train"
)

// photos makes a data set without splits whose pictures differ in size: class "dark" has
// more of them than class "light".
func photos(t *testing.T, dark, light int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	for class, n := range map[string]int{"dark": dark, "light": light} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, class), 0o755))
		for i := range n {
			img := image.NewRGBA(image.Rect(0, 0, 20+rng.IntN(30), 20+rng.IntN(30)))
			for at := 0; at < len(img.Pix); at += 4 {
				v := byte(rng.IntN(120))
				if class == "light" {
					v += 130
				}
				copy(img.Pix[at:], []byte{v, v, v, 255})
			}
			var b bytes.Buffer
			require.NoError(t, png.Encode(&b, img))
			require.NoError(t, os.WriteFile(filepath.Join(dir, class, strconv.Itoa(i)+".png"), b.Bytes(), 0o644))
		}
	}
	return dir
}

// A folder of pictures of any size, without splits: cropped, jittered, mixed, with part
// of it held out.
func TestPicturesOfAnySize(t *testing.T) {
	dir := photos(t, 24, 24)
	cfg, result, w := run(t, func(c *train.Config) {
		c.Data.Dir, c.Data.ImageSize, c.Data.CropPct, c.Data.Interpolation, c.Data.ValFraction = dir, 16, 0.9, "bicubic", 0.25
		c.Augment.Scale, c.Augment.Ratio, c.Augment.ColorJitter = [2]float64{0.5, 1}, [2]float64{0.75, 4.0 / 3}, []float64{0.1}
		c.Augment.Pad, c.Augment.HFlip, c.Augment.Mixup, c.Augment.CutMix = 0, 0.5, 0.2, 1
		c.Trainer.MaxEpochs = 4
	})
	assert.Equal(t, 36, w.started.TrainSize)
	assert.Equal(t, 12, w.started.ValSize)
	assert.Greater(t, result.ValAccuracy, 0.9)
	folder, err := modeldir.Open(result.Model)
	require.NoError(t, err)
	p := folder.Config.Pretrained
	assert.Equal(t, [3]int{3, 16, 16}, p.InputSize)
	assert.Equal(t, 0.9, p.CropPct)
	assert.Equal(t, "bicubic", p.Interpolation)
	assert.Equal(t, [3]float64{0.485, 0.456, 0.406}, p.Mean)
	require.NotNil(t, folder.Extras.Temperature)
	assert.InDelta(t, result.Temperature, *folder.Extras.Temperature, 1e-9)
	require.NotNil(t, result.Report)
	assert.InDelta(t, result.ValAccuracy, result.Report.Accuracy, 1e-9)

	// The crops and the mixing of a resumed run are those of the unbroken one.
	again := cfg
	again.OutputDir = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = train.Run(ctx, again, train.Events{Step: func(s train.Step) {
		if s.GlobalStep == 6 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, train.ErrInterrupted)
	again.Resume = again.OutputDir
	_, err = train.Run(t.Context(), again, train.Events{})
	require.NoError(t, err)
	sameTensors(t, cfg, again)
}

func TestPicturesOfDifferentSizesNeedOne(t *testing.T) {
	cfg := small(t, photos(t, 12, 12))
	_, err := train.Run(t.Context(), cfg, train.Events{})
	require.ErrorContains(t, err, "data.image_size")
}

// Damaged files end a run that does not allow them, and are told in one that does.
func TestDamagedPictures(t *testing.T) {
	dir := photos(t, 24, 24)
	broken := filepath.Join(dir, "dark", "3.png")
	require.NoError(t, os.Truncate(broken, 100))
	cfg := small(t, dir)
	cfg.Data.ImageSize = 16
	_, err := train.Run(t.Context(), cfg, train.Events{})
	require.ErrorContains(t, err, broken)
	// A run that meets a damaged file in the middle of a step saves where that began.
	cfg.Trainer.AccumulateGradBatches, cfg.OutputDir, cfg.Data.InMemory = 2, t.TempDir(), "never"
	_, err = train.Run(t.Context(), cfg, train.Events{})
	require.ErrorContains(t, err, "go on with resume="+cfg.OutputDir)
	require.Len(t, checkpoints(t, cfg), 1)
	cfg.Resume, cfg.Data.Corrupt = cfg.OutputDir, dataset.CorruptSkip
	_, err = train.Run(t.Context(), cfg, train.Events{})
	require.NoError(t, err)
	_, _, w := run(t, func(c *train.Config) { c.Data.Dir, c.Data.ImageSize, c.Data.Corrupt = dir, 16, dataset.CorruptSkip })
	assert.Contains(t, strings.Join(w.notices, "\n"), broken)
}

func TestClassesOfUnequalSize(t *testing.T) {
	dir := photos(t, 60, 8)
	recall := func(change func(*train.Config)) float64 {
		_, result, _ := run(t, func(c *train.Config) {
			c.Data.Dir, c.Data.ImageSize, c.Data.ValFraction, c.Trainer.MaxEpochs = dir, 16, 0.5, 2
			change(c)
		})
		return result.Report.PerClass[1].Recall
	}
	weighted := recall(func(c *train.Config) { c.Data.ClassWeights = dataset.InverseFrequency })
	sampled := recall(func(c *train.Config) { c.Data.Sampler, c.Trainer.MaxEpochs = "weighted", 4 })
	assert.False(t, math.IsNaN(weighted+sampled))
	assert.Greater(t, max(weighted, sampled), 0.7)
}

// Weights from the hub begin a run: the head is made for the classes at hand, and the
// images are normalised as the weights want them.
func TestInitFromTheHub(t *testing.T) {
	_, base, _ := run(t, func(c *train.Config) { c.Trainer.MaxEpochs = 1 })
	files := map[string][]byte{}
	for _, name := range []string{"config.json", "model.safetensors", "torchlit.json"} {
		data, err := os.ReadFile(filepath.Join(base.Model, name))
		require.NoError(t, err)
		files[name] = data
	}
	files["config.json"] = bytes.Replace(files["config.json"], []byte("0.485"), []byte("0.5"), 1)
	h := hubtest.New(t)
	h.Put("someone/stripes", files)
	t.Setenv("HF_ENDPOINT", h.URL)
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	dir := photos(t, 24, 24)
	for _, id := range []string{"someone/stripes", base.Model, filepath.Join(base.Model, "model.safetensors")} {
		cfg, result, w := run(t, func(c *train.Config) {
			c.Init, c.Data.Dir, c.Data.ImageSize, c.Trainer.MaxSteps, c.Optim.LR = id, dir, 16, 1, 1e-12
		})
		assert.Contains(t, strings.Join(w.notices, "\n"), "tensors loaded", id)
		want := tensorOf(t, filepath.Join(base.Model, "model.safetensors"), "layer3.0.conv1.weight")
		assert.InDeltaSlice(t, want, tensorOf(t, checkpoints(t, cfg)[0], "layer3.0.conv1.weight"), 1e-6, id)
		folder, err := modeldir.Open(result.Model)
		require.NoError(t, err)
		if id != "someone/stripes" {
			continue
		}
		assert.Equal(t, 0.5, folder.Config.Pretrained.Mean[0])
		// A run that goes on needs the hub no more.
		cfg.Resume, cfg.Trainer.MaxSteps = cfg.OutputDir, 2
		t.Setenv("HF_ENDPOINT", "http://127.0.0.1:1")
		t.Setenv("HF_HUB_CACHE", t.TempDir())
		result, err = train.Run(t.Context(), cfg, train.Events{})
		require.NoError(t, err)
		folder, err = modeldir.Open(result.Model)
		require.NoError(t, err)
		assert.Equal(t, 0.5, folder.Config.Pretrained.Mean[0])
	}
	cfg := small(t, dir)
	cfg.Data.ImageSize, cfg.Init = 16, "someone/nothing"
	_, err := train.Run(t.Context(), cfg, train.Events{})
	require.ErrorContains(t, err, "someone/nothing")
}

// All trackers at once leave their files.
func TestTrackers(t *testing.T) {
	t.Setenv("WANDB_MODE", "offline")
	cfg, _, w := run(t, func(c *train.Config) {
		c.Trainer.MaxEpochs, c.Trainer.LogEveryNSteps, c.Trainer.LogHistograms = 2, 1, true
		c.Track.DVCLive.Enabled, c.Track.WandB.Enabled, c.Track.WandB.Mode = true, true, "offline"
	})
	for _, pattern := range []string{"metrics.csv", "hparams.yaml", "events.out.tfevents.*", "wandb/offline-run-*/run-*.wandb", "dvclive/metrics.json", "dvclive/plots/images/first_batch*"} {
		found, err := filepath.Glob(filepath.Join(cfg.OutputDir, pattern))
		require.NoError(t, err)
		assert.Len(t, found, 1, pattern)
	}
	settings, err := os.ReadFile(filepath.Join(cfg.OutputDir, "hparams.yaml"))
	require.NoError(t, err)
	assert.Contains(t, string(settings), "batch_size: 8")
	for _, text := range w.notices {
		assert.NotContains(t, text, "cannot", text)
	}
}
