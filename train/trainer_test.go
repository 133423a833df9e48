package train_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
	"github.com/torchlit/torchlit/train"
)

// told collects what a run tells.
type told struct {
	started train.Started
	steps   []train.Step
	checks  []train.Validation
	notices []string
}

func (w *told) events() train.Events {
	return train.Events{
		Started:   func(s train.Started) { w.started = s },
		Step:      func(s train.Step) { w.steps = append(w.steps, s) },
		Validated: func(v train.Validation) { w.checks = append(w.checks, v) },
		Notice:    func(text string) { w.notices = append(w.notices, text) },
	}
}

// run trains with a change to the small configuration on 2·16 images, 4 batches.
func run(t *testing.T, change func(*train.Config)) (train.Config, train.Result, *told) {
	t.Helper()
	torchtest.Need(t)
	torchtest.NoLeak(t)
	cfg := small(t, stripes(t, 16))
	change(&cfg)
	var w told
	result, err := train.Run(t.Context(), cfg, w.events())
	require.NoError(t, err)
	return cfg, result, &w
}

func TestMaxSteps(t *testing.T) {
	cfg, result, w := run(t, func(c *train.Config) { c.Trainer.MaxSteps = 6 })
	assert.Equal(t, 6, result.Steps)
	assert.Contains(t, result.Stopped, "max_steps=6")
	assert.Len(t, w.steps, 6)
	assert.DirExists(t, result.Model)
	// It can go on.
	cfg.Resume, cfg.Trainer.MaxSteps = cfg.OutputDir, -1
	result, err := train.Run(t.Context(), cfg, train.Events{})
	require.NoError(t, err)
	assert.Equal(t, 12, result.Steps)
}

func TestMaxTime(t *testing.T) {
	_, result, _ := run(t, func(c *train.Config) { c.Trainer.MaxEpochs, c.Trainer.MaxTime = 10_000, "00:00:00:01" })
	assert.Contains(t, result.Stopped, "max_time")
	assert.DirExists(t, result.Model)
}

func TestAccumulation(t *testing.T) {
	_, result, w := run(t, func(c *train.Config) { c.Trainer.AccumulateGradBatches, c.Trainer.MaxEpochs = 3, 2 })
	assert.Equal(t, 4, result.Steps, "4 batches are 3 and 1")
	var batches []int
	for _, s := range w.steps {
		batches = append(batches, s.Index)
	}
	assert.Equal(t, []int{3, 4, 3, 4}, batches)
}

// Two batches of the same pictures have the same gradient, whose mean is itself: a step
// over both must be the step over one, to the last bit.
func TestAccumulationIsTheMeanGradient(t *testing.T) {
	data := stripes(t, 16)
	for _, class := range []string{"horizontal", "vertical"} {
		first, err := os.ReadFile(filepath.Join(data, "train", class, "0.png"))
		require.NoError(t, err)
		for i := range 16 {
			require.NoError(t, os.WriteFile(filepath.Join(data, "train", class, itoa(i)+".png"), first, 0o644))
		}
	}
	step := func(accumulate int) []float32 {
		cfg, _, w := run(t, func(c *train.Config) {
			c.Data.Dir, c.Trainer.MaxSteps, c.Trainer.OverfitBatches = data, 1, train.Portion{Count: 2}
			c.Trainer.AccumulateGradBatches = accumulate
		})
		assert.Equal(t, accumulate, w.steps[0].Index)
		return tensorOf(t, checkpoints(t, cfg)[0], "layer2.0.conv1.weight")
	}
	assert.Equal(t, step(1), step(2))
}

func TestClipping(t *testing.T) {
	moved := func(change func(*train.Config)) float64 {
		cfg, _, _ := run(t, func(c *train.Config) {
			c.Optim.Schedule, c.Optim.WarmUp, c.Optim.WeightDecay, c.Trainer.MaxSteps = "constant", 0, 0, 1
			c.Optim.Momentum, c.Optim.Nesterov, c.Optim.LR = 0, false, 1
			change(c)
		})
		begin := small(t, cfg.Data.Dir)
		begin.Optim = cfg.Optim
		begin.Optim.LR = 1e-30
		begin.Trainer.MaxSteps = 1
		_, err := train.Run(t.Context(), begin, train.Events{})
		require.NoError(t, err)
		sum := 0.0
		a, b := checkpoints(t, begin)[0], checkpoints(t, cfg)[0]
		for _, name := range []string{"conv1.weight", "layer1.0.conv1.weight", "layer4.1.conv2.weight", "fc.weight", "fc.bias"} {
			before, after := tensorOf(t, a, name), tensorOf(t, b, name)
			for i := range before {
				d := float64(after[i] - before[i])
				sum += d * d
			}
		}
		return sum
	}
	free := moved(func(*train.Config) {})
	clipped := moved(func(c *train.Config) { c.Trainer.GradientClipVal = 1e-3 })
	assert.Greater(t, free, 1e-4)
	assert.LessOrEqual(t, clipped, 1.01e-6, "the whole gradient's norm is 1e-3")
	byValue := moved(func(c *train.Config) {
		c.Trainer.GradientClipVal, c.Trainer.GradientClipAlgorithm = 1e-6, "value"
	})
	assert.Less(t, byValue, 1e-5)
}

func TestFastDevRunLeavesNothing(t *testing.T) {
	cfg, result, w := run(t, func(c *train.Config) { c.Trainer.FastDevRun, c.Trainer.MaxEpochs = 2, 50 })
	assert.Equal(t, 2, result.Steps)
	assert.Empty(t, result.Model)
	assert.Len(t, w.checks, 1)
	left, err := os.ReadDir(cfg.OutputDir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestOverfitBatches(t *testing.T) {
	_, result, w := run(t, func(c *train.Config) {
		c.Trainer.OverfitBatches, c.Trainer.MaxEpochs = train.Portion{Count: 1}, 30
		c.Optim.LabelSmoothing = 0
	})
	assert.Equal(t, 30, result.Steps)
	assert.Less(t, result.TrainLoss, 0.1)
	assert.Equal(t, 1, w.started.StepsPerEpoch)
}

func TestLimits(t *testing.T) {
	_, result, w := run(t, func(c *train.Config) {
		c.Trainer.LimitTrainBatches, c.Trainer.LimitValBatches = train.Portion{Share: 0.5}, train.Portion{}
	})
	assert.Equal(t, 6, result.Steps)
	assert.Empty(t, w.checks)
	assert.Zero(t, result.ValAccuracy)
}

func TestValidationCadence(t *testing.T) {
	at := func(change func(*train.Config)) (steps []int) {
		_, _, w := run(t, change)
		for _, v := range w.checks {
			steps = append(steps, v.GlobalStep)
		}
		return steps
	}
	assert.Equal(t, []int{4, 8, 12}, at(func(*train.Config) {}))
	// Whatever the cadence, a run ends with a validation.
	assert.Equal(t, []int{8, 12}, at(func(c *train.Config) { c.Trainer.CheckValEveryNEpoch = 2 }))
	assert.Equal(t, []int{2, 4, 6, 8, 10, 12}, at(func(c *train.Config) { c.Trainer.ValCheckInterval = train.Portion{Share: 0.5} }))
	assert.Equal(t, []int{3, 7, 11, 12}, at(func(c *train.Config) { c.Trainer.ValCheckInterval = train.Portion{Count: 3} }))
}

func TestEarlyStopping(t *testing.T) {
	zero := 0.0
	stop := func(change func(*train.EarlyStopping)) train.Result {
		_, result, _ := run(t, func(c *train.Config) {
			c.Trainer.MaxEpochs, c.Optim.LR = 8, 1e-12 // nothing gets better
			c.EarlyStopping.Monitor = "val_loss"
			c.EarlyStopping.MinDelta = 0.1
			change(&c.EarlyStopping)
		})
		return result
	}
	result := stop(func(e *train.EarlyStopping) { e.Patience = 2 })
	assert.Equal(t, 3*4, result.Steps)
	assert.Contains(t, result.Stopped, "early_stopping.patience")
	result = stop(func(e *train.EarlyStopping) { e.DivergenceThreshold = &zero })
	assert.Equal(t, 4, result.Steps)
	assert.Contains(t, result.Stopped, "divergence_threshold")
	result = stop(func(e *train.EarlyStopping) { e.Monitor, e.Mode, e.StoppingThreshold = "val_loss", "max", &zero })
	assert.Contains(t, result.Stopped, "stopping_threshold")
}

func TestTheBestCheckpointsStay(t *testing.T) {
	cfg, result, w := run(t, func(c *train.Config) {
		c.Trainer.MaxEpochs, c.Checkpoint.Keep, c.Checkpoint.SaveTopK = 8, 1, 2
		c.Checkpoint.Monitor, c.Checkpoint.Mode = "val_loss", "min"
	})
	slices.SortFunc(w.checks, func(a, b train.Validation) int {
		if a.Loss < b.Loss {
			return -1
		}
		return 1
	})
	stay := map[int]bool{w.checks[0].GlobalStep: true, w.checks[1].GlobalStep: true, result.Steps: true}
	paths := checkpoints(t, cfg)
	assert.Len(t, paths, len(stay))
	for _, v := range w.checks[:2] {
		assert.True(t, slices.ContainsFunc(paths, func(p string) bool {
			return strings.HasSuffix(p, "-step="+itoa(v.GlobalStep)+".safetensors")
		}), "step %d", v.GlobalStep)
	}
}

// The best by a training figure is the best of whole epochs, and nothing is best before
// it is known.
func TestMonitoringTraining(t *testing.T) {
	cfg, _, _ := run(t, func(c *train.Config) {
		c.Checkpoint.Monitor, c.Checkpoint.Mode, c.Checkpoint.Keep, c.Trainer.MaxEpochs = "train_loss", "min", 1, 4
		c.Trainer.LimitValBatches = train.Portion{}
	})
	assert.Len(t, checkpoints(t, cfg), 1, "the loss falls, so the last is the best")
}

func TestExponentialMovingAverage(t *testing.T) {
	cfg, result, w := run(t, func(c *train.Config) { c.EMA.Decay, c.Trainer.MaxEpochs = 0.5, 2 })
	for _, v := range w.checks {
		assert.Equal(t, "ema", v.Of)
	}
	paths := checkpoints(t, cfg)
	mean := tensorOf(t, paths[len(paths)-1], "ema.fc.weight")
	assert.NotEqual(t, tensorOf(t, paths[len(paths)-1], "fc.weight"), mean)
	assert.InDeltaSlice(t, mean, tensorOf(t, filepath.Join(result.Model, modeldir.SafetensorsFile), "fc.weight"), 1e-3)
}

func TestFreezing(t *testing.T) {
	cfg, _, w := run(t, func(c *train.Config) {
		c.Freeze.Stages, c.Freeze.Until, c.Trainer.MaxEpochs, c.Checkpoint.Keep = 2, 2, 3, 9
		c.Optim.WeightDecay = 0.1
	})
	paths := checkpoints(t, cfg)
	require.Len(t, paths, 3)
	for _, name := range []string{"conv1.weight", "bn1.running_mean", "layer1.1.conv2.weight", "layer1.0.bn1.running_var"} {
		first, second, third := tensorOf(t, paths[0], name), tensorOf(t, paths[1], name), tensorOf(t, paths[2], name)
		assert.Equal(t, first, second, name)
		assert.NotEqual(t, second, third, name)
	}
	assert.NotEqual(t, tensorOf(t, paths[0], "layer2.0.conv1.weight"), tensorOf(t, paths[1], "layer2.0.conv1.weight"))
	assert.Contains(t, strings.Join(w.notices, "\n"), "trained from now on")
	assert.Equal(t, int64(1_728+128+4*(36_864+128)), w.started.Summary.Parameters-w.started.Summary.Trainable)
}

// Every optimizer and schedule learns, resumes, and keeps its state.
func TestOptimizersAndSchedules(t *testing.T) {
	for _, name := range []string{"sgd", "adam", "adamw", "rmsprop"} {
		for i, schedule := range []string{"constant", "cosine", "one_cycle", "step", "exponential", "plateau"} {
			if name != "sgd" && i > 0 {
				continue
			}
			cfg, result, _ := run(t, func(c *train.Config) {
				c.Optim.Name, c.Optim.Schedule, c.Optim.NormWeightDecay = name, schedule, false
				c.Optim.Gamma, c.Optim.StepSize, c.Trainer.MaxEpochs = 0.5, 1, 2
				if name != "sgd" {
					c.Optim.LR = 1e-3
				}
			})
			assert.Less(t, result.TrainLoss, 2.0, "%s %s", name, schedule)
			cfg.Resume, cfg.Trainer.MaxEpochs = cfg.OutputDir, 3
			result, err := train.Run(t.Context(), cfg, train.Events{})
			require.NoError(t, err, "%s %s", name, schedule)
			assert.Equal(t, 12, result.Steps)
		}
	}
}

func TestHalfPrecisionTrains(t *testing.T) {
	for _, precision := range []string{"bf16-mixed", "16-mixed"} {
		_, result, _ := run(t, func(c *train.Config) { c.Trainer.Precision, c.Trainer.MaxEpochs = precision, 1 })
		assert.Less(t, result.TrainLoss, 2.0, precision)
	}
}

func TestProfile(t *testing.T) {
	_, _, w := run(t, func(c *train.Config) { c.Trainer.Profiler = "simple" })
	table := strings.Join(w.notices, "\n")
	for _, action := range []string{"the run", "forward", "backward", "optimizer step", "wait for data", "validation", "checkpoint"} {
		assert.Contains(t, table, action)
	}
}

// The counts are those of timm 1.0.31 (parameters) and fvcore 0.1.5 (multiply-adds, of
// convolutions and the classifier), of which an FLOP is half a one.
func TestSummary(t *testing.T) {
	f := func(architecture string, stem resnet.Stem, classes int64, side int, parameters int64, gigaMACs float64) {
		t.Helper()
		spec, err := resnet.Describe(architecture, stem, classes)
		require.NoError(t, err)
		s := train.Summarize(spec, side, side)
		assert.Equal(t, parameters, s.Parameters, architecture)
		assert.InDelta(t, gigaMACs, float64(s.FLOPs)/2e9, 0.01, architecture)
	}
	f("resnet18", resnet.ImageNetStem, 1000, 224, 11_689_512, 1.81)
	f("resnet34", resnet.ImageNetStem, 1000, 224, 21_797_672, 3.66)
	f("resnet50", resnet.ImageNetStem, 1000, 224, 25_557_032, 4.09)
	f("resnet101", resnet.ImageNetStem, 1000, 224, 44_549_160, 7.80)
	f("resnet18d", resnet.ImageNetStem, 1000, 224, 11_708_744, 2.06)
	f("resnext50_32x4d", resnet.ImageNetStem, 1000, 224, 25_028_904, 4.23)
	f("wide_resnet50_2", resnet.ImageNetStem, 1000, 224, 68_883_240, 11.40)
	f("resnet18", resnet.CIFARStem, 10, 32, 11_173_962, 0.556)

	spec, err := resnet.Describe("resnet18", resnet.ImageNetStem, 1000)
	require.NoError(t, err)
	s := train.Summarize(spec, 224, 224)
	assert.Equal(t, [3]int64{64, 112, 112}, s.Layers[0].Output)
	assert.Equal(t, [3]int64{512, 7, 7}, s.Layers[5].Output)
	assert.Contains(t, s.String(), "11 689 512")
}

func TestPortions(t *testing.T) {
	f := func(text string, of, want int) {
		t.Helper()
		var p train.Portion
		require.NoError(t, p.UnmarshalText([]byte(text)))
		assert.Equal(t, want, p.Of(of))
		again, err := p.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, text, string(again))
	}
	f("1.0", 10, 10)
	f("0.25", 10, 3)
	f("0.01", 10, 1)
	f("1", 10, 1)
	f("20", 10, 10)
	f("0", 10, 0)
	for _, bad := range []string{"-1", "1.5", "half", "NaN", ""} {
		assert.Error(t, new(train.Portion).UnmarshalText([]byte(bad)), bad)
	}
}
