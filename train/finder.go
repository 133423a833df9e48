package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/torchlit/torchlit/torch"
)

// LRSearch are the settings of [FindLR]; zero fields have Lightning's defaults.
type LRSearch struct {
	MinLR, MaxLR float64 // default 1e-8 and 1
	Steps        int     // default 100
	// StopFactor ends the search when the loss is so many times the lowest so far;
	// default 4, below 0 never.
	StopFactor float64
}

// LRCurve is what a search found: the smoothed loss at each learning rate.
type LRCurve struct {
	LRs, Losses []float64
	// Suggestion is the rate at which the loss falls most steeply; 0 when the curve is
	// too short or never falls.
	Suggestion float64
}

const (
	lossSmoothing = 0.98 // Lightning's: the running mean of the losses
	skipBegin     = 10   // points of the curve that suggest nothing
	skipEnd       = 1
)

// FindLR trains a few steps with a learning rate that grows exponentially and watches
// the loss: Smith, Cyclical Learning Rates, https://arxiv.org/abs/1506.01186. It leaves
// no files, and what it trained is dropped.
func FindLR(ctx context.Context, cfg Config, s LRSearch) (LRCurve, error) {
	setDefault(&s.MinLR, 1e-8)
	setDefault(&s.MaxLR, 1)
	setDefault(&s.Steps, 100)
	setDefault(&s.StopFactor, 4)
	if !(0 < s.MinLR && s.MinLR < s.MaxLR) || s.Steps < skipBegin+skipEnd+2 {
		return LRCurve{}, fmt.Errorf("cannot search the learning rate from %v to %v in %d steps: it must grow, in at least %d steps", s.MinLR, s.MaxLR, s.Steps, skipBegin+skipEnd+2)
	}
	cfg.Optim.Schedule, cfg.Optim.WarmUp, cfg.Optim.LR = "constant", 0, 1
	var curve LRCurve
	var mean, lowest float64
	err := trial(ctx, cfg, func(r *run, step int) (again bool, err error) {
		lr := s.MinLR * math.Pow(s.MaxLR/s.MinLR, float64(step)/float64(s.Steps-1))
		r.opt.SetLR(lr)
		loss, err := r.trialStep()
		if err != nil || !finite(loss) {
			return false, err
		}
		mean = lossSmoothing*mean + (1-lossSmoothing)*loss
		smooth := mean / (1 - math.Pow(lossSmoothing, float64(step+1)))
		curve.LRs, curve.Losses = append(curve.LRs, lr), append(curve.Losses, smooth)
		if step == 0 || smooth < lowest {
			lowest = smooth
		}
		diverged := s.StopFactor > 0 && step > 1 && smooth > s.StopFactor*lowest
		return step+1 < s.Steps && !diverged, nil
	})
	if err != nil {
		return LRCurve{}, fmt.Errorf("cannot search the learning rate: %w", err)
	}
	curve.Suggestion = steepest(curve.LRs, curve.Losses)
	return curve, nil
}

// steepest returns the rate where the loss has its steepest descent per step, by
// central differences.
func steepest(lrs, losses []float64) float64 {
	best, at := 0.0, 0.0
	for i := skipBegin + 1; i+1 < len(losses)-skipEnd; i++ {
		if slope := (losses[i+1] - losses[i-1]) / 2; slope < best {
			best, at = slope, lrs[i]
		}
	}
	return at
}

// BatchSizes is what [FindBatchSize] tried.
type BatchSizes struct {
	Tried      []BatchTrial
	Suggestion int // the largest that ran, less the margin; 0 when none did
}

// BatchTrial is one batch size and how fast it trained.
type BatchTrial struct {
	Size            int
	ImagesPerSecond float64
	Memory          int64 // bytes in use at the peak
	Refused         string
}

// BatchSearch are the settings of [FindBatchSize]; zero fields have Lightning's defaults.
type BatchSearch struct {
	From   int     // default 2; doubled until a size does not fit
	Max    int     // default 8192
	Steps  int     // of each trial; default 3
	Margin float64 // share taken off the largest that fits; default 0.05
	// Refine searches between the last size that fitted and the first that did not.
	Refine bool
	// Memory bounds what a trial may use, in bytes; 0 is what the device has.
	Memory int64
}

// FindBatchSize doubles the batch until it no longer fits in memory, and tells how fast
// each size trains. On a GPU that is when its allocator refuses; memory of the CPU is
// never refused, so there a trial that would leave the machine less than a tenth of its
// memory counts as one that does not fit.
func FindBatchSize(ctx context.Context, cfg Config, s BatchSearch) (BatchSizes, error) {
	setDefault(&s.From, 2)
	setDefault(&s.Max, 8192)
	setDefault(&s.Steps, 3)
	setDefault(&s.Margin, 0.05)
	if s.From < 2 || s.Max < s.From {
		return BatchSizes{}, fmt.Errorf("cannot search the batch size from %d to %d: begin with at least 2, and end above", s.From, s.Max)
	}
	var found BatchSizes
	fits := func(size int) (bool, error) {
		t, err := tryBatch(ctx, cfg, size, s)
		if err != nil {
			return false, fmt.Errorf("cannot search the batch size: %w", err)
		}
		found.Tried = append(found.Tried, t)
		return t.Refused == "", nil
	}
	good, bad := 0, 0
	for size := s.From; size <= s.Max && bad == 0; size *= 2 {
		ok, err := fits(size)
		switch {
		case err != nil:
			return found, err
		case ok:
			good = size
		default:
			bad = size
		}
	}
	for s.Refine && good > 0 && bad-good > max(2, good/16) {
		size := (good + bad) / 2
		ok, err := fits(size)
		if err != nil {
			return found, err
		}
		if ok {
			good = size
		} else {
			bad = size
		}
	}
	found.Suggestion = good
	if bad > 0 {
		found.Suggestion = max(s.From, int(float64(good)*(1-s.Margin)))
	}
	if good == 0 {
		found.Suggestion = 0
	}
	return found, nil
}

func tryBatch(ctx context.Context, cfg Config, size int, s BatchSearch) (t BatchTrial, err error) {
	t.Size = size
	cfg.Data.BatchSize = size
	var began time.Time
	images := 0
	err = trial(ctx, cfg, func(r *run, step int) (bool, error) {
		if step == 1 { // the first step warms up
			began, images = time.Now(), 0
		}
		_, err := r.trialStep()
		if err != nil {
			return false, err
		}
		images += size
		stats, err := torch.MemoryStats(r.device)
		if err != nil {
			return false, err
		}
		t.Memory = stats.ReservedPeak
		if limit := s.limit(r.device, r.onCPU()); limit > 0 && t.Memory > limit {
			return false, fmt.Errorf("out of memory: a step takes %d MB, %d MB are there", t.Memory>>20, limit>>20)
		}
		return step < s.Steps, nil
	})
	torch.EmptyCache(torch.Device{})
	switch {
	case err == nil:
		t.ImagesPerSecond = float64(images) / time.Since(began).Seconds()
	case outOfMemory(err):
		t.Refused, err = err.Error(), nil
	case errors.Is(err, errTooFewImages):
		t.Refused, err = err.Error(), nil
	}
	return t, err
}

// limit is how many bytes a trial may use; 0 leaves it to the device to refuse.
func (s BatchSearch) limit(device torch.Device, onCPU bool) int64 {
	if s.Memory > 0 || !onCPU {
		return s.Memory
	}
	p, err := torch.DeviceProperties(device)
	if err != nil {
		return 0
	}
	return p.TotalMemory / 10 * 9
}

// outOfMemory tells whether an error is an allocator's.
func outOfMemory(err error) bool {
	text := err.Error()
	return strings.Contains(text, "out of memory") || strings.Contains(text, "can't allocate memory")
}

// trial makes a run of cfg that writes nothing and calls step, with 0, 1, 2 …, as long
// as that wants to be called again. A panic of libtorch's becomes the error.
func trial(ctx context.Context, cfg Config, step func(r *run, n int) (again bool, err error)) error {
	cfg.Resume, cfg.Trainer.FastDevRun = "", 1
	cfg.Trainer.MaxEpochs, cfg.Trainer.AccumulateGradBatches = 1<<20, 1
	cfg.Trainer.NumSanityValSteps, cfg.SWA.Epochs, cfg.EMA.Decay = 0, 0, 0
	if cfg.OutputDir == "" {
		cfg.OutputDir = "unused"
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := &run{cfg: cfg, began: time.Now()}
	defer r.close()
	if err := r.open(ctx); err != nil {
		return err
	}
	if err := r.trainMode(); err != nil {
		return err
	}
	defer r.endTrial()
	var failed error
	refused := torch.Try(func() {
		for n := 0; ; n++ {
			if failed = ctx.Err(); failed != nil {
				return
			}
			again, err := step(r, n)
			if failed = err; err != nil || !again {
				return
			}
		}
	})
	return errors.Join(failed, refused)
}

// trialStep takes one step on the next batch, going round the epochs, and returns its
// loss.
func (r *run) trialStep() (loss float64, err error) {
	side := r.data.side
	if r.at.Batch >= r.perEpoch {
		r.endTrial()
		r.at.Epoch, r.at.Batch = r.at.Epoch+1, 0
	}
	if r.trialLoader == nil {
		if r.trialLoader, err = r.trainLoader(side); err != nil {
			return 0, err
		}
	}
	if err := r.step(r.trialLoader); err != nil {
		return 0, err
	}
	return r.meter.read().loss(), nil
}

func (r *run) endTrial() {
	if r.trialLoader != nil {
		r.trialLoader.Close()
		r.trialLoader = nil
	}
}

func setDefault[T int | float64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}
