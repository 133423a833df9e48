package train

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torchlit/torchlit/dataset"
)

// Validate tells what is wrong with c and what to give instead.
func (c *Config) Validate() error {
	return errors.Join(
		c.Data.validate(), c.Optim.validate(), c.Trainer.validate(), c.Checkpoint.validate(),
		c.EarlyStopping.validate(), c.validateAverages(), c.Freeze.validate(), c.validateAugment(),
		require(c.OutputDir != "", "no run folder: set output_dir"),
	)
}

// require returns the error that the format says unless ok.
func require(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf("cannot train with "+format, args...)
}

// oneOf returns an error that lists what value may be, unless it is one of them.
func oneOf(key, value string, allowed ...string) error {
	return require(slices.Contains(allowed, value), "%s=%q: use one of %s", key, value, strings.Join(allowed, ", "))
}

func (d *Data) validate() error {
	return errors.Join(
		require(d.Dir != "", "no data: set data.dir to a folder that holds train/ and test/"),
		require(d.BatchSize >= 2, "data.batch_size=%d: batch normalisation needs at least 2", d.BatchSize),
		require(d.ImageSize == 0 || d.ImageSize >= 8, "data.image_size=%d: give at least 8 pixels, or 0 for the images' own", d.ImageSize),
		require(d.CropPct > 0 && d.CropPct <= 1, "data.crop_pct=%v: give more than 0, at most 1", d.CropPct),
		oneOf("data.interpolation", d.Interpolation, "bilinear", "bicubic"),
		require(len(d.Mean) == len(d.Std) && (len(d.Mean) == 0 || len(d.Mean) == 3), "data.mean=%v data.std=%v: give three numbers for each, or none", d.Mean, d.Std),
		require(d.ValFraction > 0 && d.ValFraction < 1, "data.val_fraction=%v: give more than 0, less than 1", d.ValFraction),
		oneOf("data.labels", d.Labels, dataset.FineLabels, dataset.CoarseLabels),
		oneOf("data.corrupt", d.Corrupt, dataset.CorruptFail, dataset.CorruptSkip),
		oneOf("data.in_memory", d.InMemory, "auto", "always", "never"),
		oneOf("data.class_weights", d.ClassWeights, dataset.Uniform, dataset.InverseFrequency, dataset.InverseRoot, dataset.EffectiveNumber),
		oneOf("data.sampler", d.Sampler, "shuffle", "weighted"),
		require(d.MinSide >= 0 && d.MaxCorrupt >= 0 && d.Workers >= 0, "data.min_side=%d data.max_corrupt=%d data.workers=%d: none may be negative", d.MinSide, d.MaxCorrupt, d.Workers),
		require(d.ExtraShare == 0 || d.ExtraDir != "", "data.extra_share=%v and no extra images: set data.extra_dir to a folder of them, such as torchlit data from-log makes", d.ExtraShare),
		require(d.ExtraDir == "" || d.ExtraShare > 0 && d.ExtraShare < 1, "data.extra_share=%v: give more than 0, less than 1, such as 0.3", d.ExtraShare),
		require(d.ExtraDir == "" || d.ClassWeights == dataset.Uniform, "both data.extra_dir and data.class_weights=%s: the extra images change how frequent classes are; set data.sampler=weighted instead", d.ClassWeights),
		d.validateSizes(),
	)
}

func (d *Data) validateSizes() error {
	for i, p := range d.Sizes {
		switch {
		case p.Side < 8:
			return fmt.Errorf("cannot train with data.sizes[%d].side=%d: give at least 8 pixels", i, p.Side)
		case i == 0 && p.From != 0:
			return fmt.Errorf("cannot train with data.sizes[0].from=%v: the first size begins at 0", p.From)
		case p.From < 0 || p.From >= 1:
			return fmt.Errorf("cannot train with data.sizes[%d].from=%v: give 0 or more, less than 1", i, p.From)
		case i > 0 && p.From <= d.Sizes[i-1].From:
			return fmt.Errorf("cannot train with data.sizes[%d].from=%v: it must be later than the size before it", i, p.From)
		}
	}
	return nil
}

func (c *Config) validateAugment() error {
	size := c.Data.ImageSize
	if size == 0 {
		size = 32 // the data's own is not known yet
	}
	if err := c.Augment.Validate(size); err != nil && c.Data.ImageSize > 0 {
		return fmt.Errorf("cannot train with these settings of augment: %w", err)
	}
	return require(c.Augment.Smoothing == 0, "augment.smoothing=%v: set optim.label_smoothing, which mixed and plain batches share", c.Augment.Smoothing)
}

func (o *Optim) validate() error {
	share := func(key string, v float64) error {
		return require(v >= 0 && v < 1, "optim.%s=%v: give 0 or more, less than 1", key, v)
	}
	return errors.Join(
		oneOf("optim.name", o.Name, "sgd", "adam", "adamw", "rmsprop"),
		oneOf("optim.schedule", o.Schedule, "constant", "cosine", "one_cycle", "step", "exponential", "plateau"),
		require(o.LR > 0, "optim.lr=%v: it must be above 0", o.LR),
		require(o.WeightDecay >= 0, "optim.weight_decay=%v: it must not be negative", o.WeightDecay),
		require(!o.Nesterov || o.Name != "sgd" || o.Momentum > 0, "optim.nesterov=true optim.momentum=%v: Nesterov's wants a momentum above 0", o.Momentum),
		require(o.Gamma > 0 && o.Gamma <= 1, "optim.gamma=%v: give more than 0, at most 1", o.Gamma),
		require(o.StepSize >= 1 && o.Patience >= 0, "optim.step_size=%d optim.patience=%d: give at least 1, and at least 0", o.StepSize, o.Patience),
		share("momentum", o.Momentum), share("betas[0]", o.Betas[0]), share("betas[1]", o.Betas[1]),
		share("label_smoothing", o.LabelSmoothing), share("warm_up", o.WarmUp), share("min_lr", o.MinLR), share("start_lr", o.StartRatio),
	)
}

func (t *Trainer) validate() error {
	_, timeError := parseDuration(t.MaxTime)
	return errors.Join(
		require(t.MaxEpochs >= 1, "trainer.max_epochs=%d: give at least 1", t.MaxEpochs),
		require(t.MaxSteps == -1 || t.MaxSteps >= 1, "trainer.max_steps=%d: give at least 1, or -1 for as many as the epochs have", t.MaxSteps),
		require(t.MinEpochs >= 0 && t.MinEpochs <= t.MaxEpochs, "trainer.min_epochs=%d: give 0 to trainer.max_epochs", t.MinEpochs),
		timeError,
		oneOf("trainer.precision", t.Precision, "32", "bf16-mixed", "16-mixed"),
		require(t.Threads >= 0, "trainer.threads=%d: it must not be negative", t.Threads),
		require(t.AccumulateGradBatches >= 1, "trainer.accumulate_grad_batches=%d: give at least 1", t.AccumulateGradBatches),
		require(t.GradientClipVal >= 0, "trainer.gradient_clip_val=%v: it must not be negative; 0 clips nothing", t.GradientClipVal),
		oneOf("trainer.gradient_clip_algorithm", t.GradientClipAlgorithm, "norm", "value"),
		require(t.CheckValEveryNEpoch >= 1, "trainer.check_val_every_n_epoch=%d: give at least 1", t.CheckValEveryNEpoch),
		require(!t.ValCheckInterval.None(), "trainer.val_check_interval=0: give 1.0 to validate after each epoch, or trainer.limit_val_batches=0 for never"),
		require(t.NumSanityValSteps >= 0 && t.FastDevRun >= 0, "trainer.num_sanity_val_steps=%d trainer.fast_dev_run=%d: neither may be negative", t.NumSanityValSteps, t.FastDevRun),
		require(!t.LimitTrainBatches.None(), "trainer.limit_train_batches=0: nothing would be trained"),
		require(t.LogEveryNSteps >= 1, "trainer.log_every_n_steps=%d: give at least 1", t.LogEveryNSteps),
		oneOf("trainer.profiler", t.Profiler, "", "simple"),
	)
}

func (c *Checkpoint) validate() error {
	return errors.Join(
		require(c.EveryNTrainSteps >= 0 && c.EveryNEpochs >= 0, "checkpoint.every_n_train_steps=%d checkpoint.every_n_epochs=%d: neither may be negative", c.EveryNTrainSteps, c.EveryNEpochs),
		require(c.Keep >= 1, "checkpoint.keep=%d: keep at least 1", c.Keep),
		require(c.SaveTopK >= -1, "checkpoint.save_top_k=%d: give 0 or more, or -1 for all", c.SaveTopK),
		oneOf("checkpoint.monitor", c.Monitor, monitored...),
		oneOf("checkpoint.mode", c.Mode, "min", "max"),
	)
}

func (e *EarlyStopping) validate() error {
	if e.Monitor == "" {
		return nil
	}
	return errors.Join(
		oneOf("early_stopping.monitor", e.Monitor, monitored...),
		oneOf("early_stopping.mode", e.Mode, "min", "max"),
		require(e.Patience >= 0 && e.MinDelta >= 0, "early_stopping.patience=%d early_stopping.min_delta=%v: neither may be negative", e.Patience, e.MinDelta),
	)
}

func (c *Config) validateAverages() error {
	return errors.Join(
		require(c.EMA.Decay >= 0 && c.EMA.Decay < 1, "ema.decay=%v: give 0 or more, less than 1", c.EMA.Decay),
		require(c.EMA.EveryNSteps >= 1 && c.EMA.StartEpoch >= 0, "ema.every_n_steps=%d ema.start_epoch=%d: give at least 1, and at least 0", c.EMA.EveryNSteps, c.EMA.StartEpoch),
		require(c.SWA.Epochs >= 0 && c.SWA.Epochs <= c.Trainer.MaxEpochs, "swa.epochs=%d: give 0 to trainer.max_epochs", c.SWA.Epochs),
		require(c.SWA.LR >= 0 && c.SWA.AnnealingEpochs >= 0, "swa.lr=%v swa.annealing_epochs=%d: neither may be negative", c.SWA.LR, c.SWA.AnnealingEpochs),
		require(c.EMA.Decay == 0 || c.SWA.Epochs == 0, "both ema.decay and swa.epochs: the model is one mean or the other"),
	)
}

func (f *Freeze) validate() error {
	return errors.Join(
		require(f.Stages >= 0 && f.Stages <= freezable, "freeze.stages=%d: give 0 to %d", f.Stages, freezable),
		require(f.Until >= 0, "freeze.until=%d: it must not be negative", f.Until),
		require(f.LRRatio > 0, "freeze.lr_ratio=%v: it must be above 0", f.LRRatio),
	)
}

// parseDuration reads Lightning's "DD:HH:MM:SS", and Go's "90m"; "" is no bound.
func parseDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wrong := fmt.Errorf("cannot train with trainer.max_time=%q: give days, hours, minutes and seconds as DD:HH:MM:SS, or such as 90m", text)
	parts := strings.Split(text, ":")
	if len(parts) == 1 {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return 0, wrong
		}
		return d, nil
	}
	if len(parts) != 4 {
		return 0, wrong
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 {
			return 0, wrong
		}
		d += time.Duration(n) * unit
	}
	return d, nil
}
