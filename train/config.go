// Package train fine-tunes and trains classifiers: the loop, its schedule and
// its checkpoints.
//
// [Run] is the whole of it: it loads the data, builds the network (or goes on
// where an earlier run was cut short), trains, evaluates after each epoch, and
// leaves a model folder that the server can serve. What a run is determined by
// is in its [Config]; the same Config gives the same run.
package train

import (
	"errors"
	"fmt"
	"slices"

	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// Config is everything that determines a run. Its yaml names are the keys of
// configs/train.yaml and of the command line's overrides.
type Config struct {
	Data       Data       `yaml:"data"`
	Model      Model      `yaml:"model"`
	Optim      Optim      `yaml:"optim"`
	Trainer    Trainer    `yaml:"trainer"`
	Checkpoint Checkpoint `yaml:"checkpoint"`
	Seed       uint64     `yaml:"seed"`
	OutputDir  string     `yaml:"output_dir"` // the run folder
	Resume     string     `yaml:"resume"`     // a run folder to go on with; "" starts anew
}

// Data says what to train on.
type Data struct {
	Dir       string `yaml:"dir"`        // holds train/ and test/, or CIFAR-10's binary archive
	BatchSize int    `yaml:"batch_size"` // images a step
	Flip      bool   `yaml:"flip"`       // mirror every other image
	Pad       int    `yaml:"pad"`        // random crop: pixels of padding at the data's own size
	Cutout    int    `yaml:"cutout"`     // side of the square painted over, at the data's own size; 0 none
	// Sizes trains on smaller images first, which is faster and costs almost no
	// accuracy. Empty: the data's own size throughout.
	Sizes []SizePhase `yaml:"sizes"`
}

// SizePhase is the image size from a part of the run on.
type SizePhase struct {
	From float64 `yaml:"from"` // 0 the beginning … 1 the end
	Side int     `yaml:"side"` // pixels
}

// Model says what to train.
type Model struct {
	Name string      `yaml:"name"` // an architecture of package resnet
	Stem resnet.Stem `yaml:"stem"` // "cifar" for small images
}

// Optim is stochastic gradient descent with Nesterov momentum and a one-cycle
// learning rate; see OneCycle.
type Optim struct {
	LR             float64 `yaml:"lr"` // at the peak
	Momentum       float64 `yaml:"momentum"`
	WeightDecay    float64 `yaml:"weight_decay"`
	LabelSmoothing float64 `yaml:"label_smoothing"`
	WarmUp         float64 `yaml:"warm_up"` // part of the run until the peak
}

// Trainer is how long and in what precision.
type Trainer struct {
	MaxEpochs     int    `yaml:"max_epochs"`
	Precision     string `yaml:"precision"`     // "32" or "bf16-mixed"
	Deterministic bool   `yaml:"deterministic"` // one thread, so that sums have one order
	Threads       int    `yaml:"threads"`       // of one operator; 0: a thread a core
	// AverageEpochs makes the model the mean of the weights at the ends of so many
	// last epochs; below 2, it is the last ones.
	AverageEpochs int `yaml:"average_epochs"`
}

// Checkpoint says how often and how many.
type Checkpoint struct {
	EveryNTrainSteps int `yaml:"every_n_train_steps"` // 0: after each epoch only
	Keep             int `yaml:"keep"`                // newest checkpoints kept; the others are deleted
}

// Default is the recipe of the bundled model, but for the data's place and sizes,
// which other data have of their own.
func Default() Config {
	return Config{
		Data:    Data{Dir: "data/processed/cifar10", BatchSize: 128, Flip: true, Pad: 4, Cutout: 8},
		Model:   Model{Name: "resnet18", Stem: resnet.CIFARStem},
		Optim:   Optim{LR: 0.1, Momentum: 0.9, WeightDecay: 5e-4, LabelSmoothing: 0.1, WarmUp: 0.2},
		Trainer: Trainer{MaxEpochs: 36, Precision: "bf16-mixed"},
		Checkpoint: Checkpoint{
			Keep: 2,
		},
	}
}

// Validate tells the first thing that is wrong with c and what to give instead.
func (c *Config) Validate() error {
	check := func(ok bool, format string, args ...any) error {
		if ok {
			return nil
		}
		return fmt.Errorf("cannot train with "+format, args...)
	}
	return errors.Join(
		check(c.Data.Dir != "", "no data: set data.dir to a folder that holds train/ and test/"),
		check(c.Data.BatchSize >= 2, "data.batch_size=%d: batch normalisation needs at least 2", c.Data.BatchSize),
		check(c.Data.Pad >= 0 && c.Data.Cutout >= 0, "data.pad=%d data.cutout=%d: neither may be negative", c.Data.Pad, c.Data.Cutout),
		check(c.Optim.LR > 0, "optim.lr=%v: it must be above 0", c.Optim.LR),
		check(c.Optim.Momentum > 0 && c.Optim.Momentum < 1, "optim.momentum=%v: it must lie between 0 and 1", c.Optim.Momentum),
		check(c.Optim.WeightDecay >= 0, "optim.weight_decay=%v: it must not be negative", c.Optim.WeightDecay),
		check(c.Optim.LabelSmoothing >= 0 && c.Optim.LabelSmoothing < 1, "optim.label_smoothing=%v: give 0 or more, less than 1", c.Optim.LabelSmoothing),
		check(c.Optim.WarmUp >= 0 && c.Optim.WarmUp < 1, "optim.warm_up=%v: give 0 or more, less than 1", c.Optim.WarmUp),
		check(c.Trainer.MaxEpochs >= 1, "trainer.max_epochs=%d: give at least 1", c.Trainer.MaxEpochs),
		check(slices.Contains([]string{"32", "bf16-mixed"}, c.Trainer.Precision), "trainer.precision=%q: use 32 or bf16-mixed", c.Trainer.Precision),
		check(c.Checkpoint.EveryNTrainSteps >= 0, "checkpoint.every_n_train_steps=%d: it must not be negative", c.Checkpoint.EveryNTrainSteps),
		check(c.Checkpoint.Keep >= 1, "checkpoint.keep=%d: keep at least 1", c.Checkpoint.Keep),
		check(c.Trainer.AverageEpochs >= 0 && c.Trainer.AverageEpochs <= c.Trainer.MaxEpochs, "trainer.average_epochs=%d: give 0 to trainer.max_epochs", c.Trainer.AverageEpochs),
		check(c.Trainer.AverageEpochs <= c.Checkpoint.Keep, "trainer.average_epochs=%d: raise checkpoint.keep=%d to that, as it averages checkpoints", c.Trainer.AverageEpochs, c.Checkpoint.Keep),
		check(c.OutputDir != "", "no run folder: set output_dir"),
		c.validateSizes(),
	)
}

func (c *Config) validateSizes() error {
	for i, p := range c.Data.Sizes {
		switch {
		case p.Side < 8:
			return fmt.Errorf("cannot train with data.sizes[%d].side=%d: give at least 8 pixels", i, p.Side)
		case i == 0 && p.From != 0:
			return fmt.Errorf("cannot train with data.sizes[0].from=%v: the first size begins at 0", p.From)
		case p.From < 0 || p.From >= 1:
			return fmt.Errorf("cannot train with data.sizes[%d].from=%v: give 0 or more, less than 1", i, p.From)
		case i > 0 && p.From <= c.Data.Sizes[i-1].From:
			return fmt.Errorf("cannot train with data.sizes[%d].from=%v: it must be later than the size before it", i, p.From)
		}
	}
	return nil
}
