package train_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/train"
)

// stripes makes a data set that a network can tell apart and a mean colour
// cannot: noise with horizontal stripes, and noise with vertical ones.
func stripes(t *testing.T, perClass int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, split := range []string{"train", "test"} {
		for class, name := range []string{"horizontal", "vertical"} {
			folder := filepath.Join(dir, split, name)
			require.NoError(t, os.MkdirAll(folder, 0o755))
			for i := range perClass {
				img := image.NewRGBA(image.Rect(0, 0, 16, 16))
				for y := range 16 {
					for x := range 16 {
						v := byte(rng.IntN(100))
						if []int{y, x}[class]%4 < 2 {
							v += 120
						}
						img.Set(x, y, color.RGBA{v, v, v, 255})
					}
				}
				f, err := os.Create(filepath.Join(folder, strconv.Itoa(i)+".png"))
				require.NoError(t, err)
				require.NoError(t, png.Encode(f, img))
				require.NoError(t, f.Close())
			}
		}
	}
	return dir
}

func small(t *testing.T, data string) train.Config {
	t.Helper()
	cfg := train.Default()
	cfg.Data.Dir = data
	cfg.Data.BatchSize = 8
	cfg.Augment.Pad = 1
	cfg.Augment.HFlip, cfg.Augment.Cutout = 0, 4
	cfg.Trainer.MaxEpochs = 3
	cfg.Trainer.Precision = "32"
	cfg.Trainer.Deterministic = true
	cfg.Optim.LR = 0.02
	cfg.OutputDir = t.TempDir()
	return cfg
}

func TestItLearnsAndLeavesAModel(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	cfg := small(t, stripes(t, 40))
	cfg.Data.Sizes = []train.SizePhase{{From: 0, Side: 8}, {From: 0.3, Side: 16}}
	var sides []int
	last, err := train.Run(t.Context(), cfg, train.Events{Step: func(s train.Step) { sides = append(sides, s.Side) }})
	require.NoError(t, err)
	assert.Greater(t, last.ValAccuracy, 0.95)
	assert.Equal(t, 8, sides[0])
	assert.Equal(t, 16, sides[len(sides)-1])

	folder, err := modeldir.Open(filepath.Join(cfg.OutputDir, "model"))
	require.NoError(t, err)
	assert.Equal(t, []string{"horizontal", "vertical"}, folder.Labels())
	assert.Equal(t, modeldir.StemCIFAR, folder.Extras.Stem)
	assert.InDelta(t, last.ValAccuracy, *folder.Extras.Accuracy, 1e-5)
	assert.FileExists(t, filepath.Join(cfg.OutputDir, "metrics.csv"))
}

// A run that is stopped in the middle of an epoch and resumed must end with the
// very bits of one that was not.
func TestResumeEqualsNotStopping(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	data := stripes(t, 16)
	unbroken := small(t, data)
	_, err := train.Run(t.Context(), unbroken, train.Events{})
	require.NoError(t, err)

	broken := small(t, data)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = train.Run(ctx, broken, train.Events{Step: func(s train.Step) {
		if s.Epoch == 1 && s.Index == 2 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, train.ErrInterrupted)
	assert.Contains(t, err.Error(), "resume="+broken.OutputDir)
	broken.Resume = broken.OutputDir
	_, err = train.Run(t.Context(), broken, train.Events{})
	require.NoError(t, err)

	sameTensors(t, unbroken, broken)
	assert.Equal(t, figures(t, unbroken), figures(t, broken))
}

func itoa(n int) string { return strconv.Itoa(n) }

// figures returns a run's metrics but for those that measure time.
func figures(t *testing.T, cfg train.Config) (rows [][]string) {
	t.Helper()
	f, err := os.Open(filepath.Join(cfg.OutputDir, "metrics.csv"))
	require.NoError(t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for _, row := range all {
		var kept []string
		for i, key := range all[0] {
			if !strings.Contains(key, "second") && !strings.HasPrefix(key, "memory") {
				kept = append(kept, row[i])
			}
		}
		rows = append(rows, kept)
	}
	return rows
}

// sameTensors holds the last checkpoints of two runs to the same bits.
func sameTensors(t *testing.T, want, got train.Config) {
	t.Helper()
	a, b := tensors(t, want), tensors(t, got)
	assert.Equal(t, slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
	var differ []string
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			differ = append(differ, name)
		}
	}
	assert.Empty(t, differ)
}

func tensors(t *testing.T, cfg train.Config) map[string][]byte {
	t.Helper()
	found := checkpoints(t, cfg)
	require.NotEmpty(t, found)
	file, err := safetensors.Open(found[len(found)-1])
	require.NoError(t, err)
	defer file.Close()
	state := map[string][]byte{}
	for _, name := range file.Names() {
		v, _ := file.Tensor(name)
		state[name] = append([]byte(nil), v.Data...)
	}
	return state
}

// The model is the mean of the last epochs' weights, with statistics of its own.
func TestStochasticWeightAveraging(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	cfg := small(t, stripes(t, 40))
	cfg.Trainer.MaxEpochs, cfg.Checkpoint.Keep, cfg.SWA.Epochs = 4, 4, 3
	var of []string
	last, err := train.Run(t.Context(), cfg, train.Events{Validated: func(v train.Validation) { of = append(of, v.Of) }})
	require.NoError(t, err)
	assert.Equal(t, []string{"", "", "", "", "swa"}, of)
	assert.Greater(t, last.ValAccuracy, 0.9)

	mean := tensorOf(t, filepath.Join(last.Model, modeldir.SafetensorsFile), "fc.weight")
	want := make([]float32, len(mean))
	paths := checkpoints(t, cfg)
	require.Len(t, paths, 4)
	for _, path := range paths[1:] {
		for i, v := range tensorOf(t, path, "fc.weight") {
			want[i] += v / 3
		}
	}
	assert.InDeltaSlice(t, want, mean, 1e-3) // half precision
}

// checkpoints lists a run's checkpoints, oldest first.
func checkpoints(t *testing.T, cfg train.Config) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(cfg.OutputDir, "checkpoints", "*"))
	require.NoError(t, err)
	step := func(path string) (n int) {
		_, text, _ := strings.Cut(path, "-step=")
		n, err := strconv.Atoi(strings.TrimSuffix(text, ".safetensors"))
		require.NoError(t, err, path)
		return n
	}
	slices.SortFunc(paths, func(a, b string) int { return step(a) - step(b) })
	return paths
}

func tensorOf(t *testing.T, path, name string) []float32 {
	t.Helper()
	file, err := safetensors.Open(path)
	require.NoError(t, err)
	defer file.Close()
	v, ok := file.Tensor(name)
	require.True(t, ok)
	values, err := safetensors.Float32(v)
	require.NoError(t, err)
	return values
}

func TestBadConfigurations(t *testing.T) {
	f := func(want string, change func(*train.Config)) {
		t.Helper()
		cfg := small(t, "somewhere")
		change(&cfg)
		_, err := train.Run(t.Context(), cfg, train.Events{})
		require.Error(t, err)
		assert.Contains(t, err.Error(), want)
	}
	f("set data.dir", func(c *train.Config) { c.Data.Dir = "" })
	f("data.batch_size=1", func(c *train.Config) { c.Data.BatchSize = 1 })
	f("optim.lr=-1", func(c *train.Config) { c.Optim.LR = -1 })
	f("use one of 32, bf16-mixed, 16-mixed", func(c *train.Config) { c.Trainer.Precision = "fp8" })
	f("data.sizes[0].from=0.5", func(c *train.Config) { c.Data.Sizes = []train.SizePhase{{From: 0.5, Side: 16}} })
	f("no such file", func(c *train.Config) { c.Data.Dir = "/nowhere" })
}

func TestLossThatIsNotANumberStopsTheRun(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	cfg := small(t, stripes(t, 16))
	cfg.Optim.LR = 1e20
	_, err := train.Run(t.Context(), cfg, train.Events{})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "lower optim.lr")
	assert.False(t, errors.Is(err, train.ErrInterrupted))
}
