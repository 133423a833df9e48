package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"time"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/vision/resnet"
	"github.com/torchlit/torchlit/track"
	"github.com/torchlit/torchlit/vision"
)

// Events is what a run tells about itself as it goes; any may be nil. They are
// called on the training goroutine, between steps.
type Events struct {
	Started func(Started)
	Step    func(Step)
	Epoch   func(Epoch)
	// Averaged tells of the averaged weights: the last epoch's figures, but for the
	// test set's, which are theirs.
	Averaged func(Epoch)
}

// Started tells what is about to be trained.
type Started struct {
	Classes             []string
	TrainSize, TestSize int
	Parameters          int64
	FirstEpoch, Epochs  int
	StepsPerEpoch       int
}

// Step tells about a training step. Loss and Accuracy are means over the epoch
// so far.
type Step struct {
	Epoch, Index, Steps int // Index counts from 1 to Steps within the epoch
	Side                int // pixels
	Loss, Accuracy      float64
	LR                  float64
	ImagesPerSecond     float64
}

// Epoch tells about an epoch that has ended, the test set's figures included.
type Epoch struct {
	Epoch                       int
	TrainLoss, TrainAccuracy    float64
	TestLoss, TestAccuracy      float64
	ImagesPerSecond, LoaderWait float64 // LoaderWait in seconds
	Duration                    time.Duration
}

// ErrInterrupted says that the context ended before the run did. A checkpoint
// has been written.
var ErrInterrupted = errors.New("training was interrupted")

// run is the state of a run.
type run struct {
	cfg    Config
	events Events

	train, test *dataset.Set
	sized       *dataset.Set // train at the current phase's size
	net         *resnet.Net
	opt         torch.Optimizer
	log         track.Tracker
	schedule    OneCycle
	perEpoch    int // steps

	epoch, batch int // the next batch to train on
	last         Epoch
}

// Run trains as cfg says and returns the figures of the last epoch. When ctx
// ends, Run writes a checkpoint and returns an error that wraps ErrInterrupted.
func Run(ctx context.Context, cfg Config, events Events) (Epoch, error) {
	if err := cfg.Validate(); err != nil {
		return Epoch{}, err
	}
	// Each OS thread that runs operators gets a pool of workers and caches of its
	// own; a goroutine that wanders between threads would pay for several.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	r := &run{cfg: cfg, events: events}
	defer r.close()
	if err := r.open(); err != nil {
		return Epoch{}, err
	}
	for r.epoch < cfg.Trainer.MaxEpochs {
		if err := r.oneEpoch(ctx); err != nil {
			return r.last, err
		}
	}
	if cfg.Trainer.AverageEpochs > 1 {
		if err := r.average(ctx); err != nil {
			return r.last, err
		}
	}
	return r.last, r.writeModel(filepath.Join(cfg.OutputDir, "model"))
}

func (r *run) open() error {
	var err error
	if r.train, r.test, err = dataset.OpenSplits(r.cfg.Data.Dir, dataset.Options{}); err != nil {
		return err
	}
	if r.train.Height != r.train.Width {
		return fmt.Errorf("cannot train on images of %d×%d pixels: they must be square", r.train.Width, r.train.Height)
	}
	if r.perEpoch = r.train.Len() / r.cfg.Data.BatchSize; r.perEpoch == 0 {
		return fmt.Errorf("cannot train on %d images in batches of %d: lower data.batch_size", r.train.Len(), r.cfg.Data.BatchSize)
	}
	spec, err := resnet.Describe(r.cfg.Model.Name, r.cfg.Model.Stem, int64(len(r.train.Classes)))
	if err != nil {
		return err
	}
	r.setThreads()
	torch.ManualSeed(r.cfg.Seed)
	r.net = resnet.New(spec)
	r.net.ToChannelsLast()
	o := r.cfg.Optim
	r.opt = torch.SGD(o.LR, o.Momentum, 0, o.WeightDecay, true)
	r.opt.AddParameters(r.net.Parameters())
	r.schedule = OneCycle{Peak: o.LR, Steps: r.perEpoch * r.cfg.Trainer.MaxEpochs, WarmUp: o.WarmUp}
	if r.cfg.Resume != "" {
		if err := r.resume(); err != nil {
			return err
		}
	}
	if r.log, err = r.openLog(); err != nil {
		return err
	}
	r.tellStarted()
	return nil
}

// openLog begins metrics.csv, or goes on behind the rows of the run resumed.
func (r *run) openLog() (track.Tracker, error) {
	path := filepath.Join(r.cfg.OutputDir, "metrics.csv")
	if r.cfg.Resume == "" {
		return track.NewCSV(path)
	}
	return track.ResumeCSV(path, int64(r.epoch*r.perEpoch+r.batch))
}

func (r *run) setThreads() {
	threads := r.cfg.Trainer.Threads
	switch {
	case r.cfg.Trainer.Deterministic:
		threads = 1
	case threads == 0:
		threads = runtime.NumCPU()
	}
	torch.SetNumThreads(int32(threads))
}

func (r *run) tellStarted() {
	if r.events.Started == nil {
		return
	}
	var parameters int64
	for _, p := range r.net.Parameters() {
		parameters += p.Numel()
	}
	r.events.Started(Started{
		Classes: r.train.Classes, TrainSize: r.train.Len(), TestSize: r.test.Len(),
		Parameters: parameters, FirstEpoch: r.epoch, Epochs: r.cfg.Trainer.MaxEpochs, StepsPerEpoch: r.perEpoch,
	})
}

// oneEpoch trains on every image once, from r.batch on, and evaluates.
func (r *run) oneEpoch(ctx context.Context) error {
	side := r.cfg.Data.sideAt(r.epoch, r.cfg.Trainer.MaxEpochs, r.train.Height)
	set, err := r.resized(side)
	if err != nil {
		return err
	}
	augment := r.augment(side)
	loader, err := dataset.NewLoader(dataset.LoaderConfig{
		Source: set, BatchSize: r.cfg.Data.BatchSize, Transform: &augment, Shuffle: true, DropLast: true,
		Seed: r.cfg.Seed, Epoch: r.epoch, Start: r.batch,
	})
	if err != nil {
		return err
	}
	defer loader.Close()

	m := newMeter()
	r.net.Train(true)
	for {
		batch, err := loader.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r.interrupted(err)
		}
		lr := r.schedule.At(r.epoch*r.perEpoch + r.batch)
		loss, correct := r.step(batch, side, lr)
		batch.Release()
		r.batch++
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return fmt.Errorf("cannot go on: the loss is %v at epoch %d, step %d; lower optim.lr, or resume=%s from the last checkpoint with a lower one",
				loss, r.epoch, r.batch, r.cfg.OutputDir)
		}
		m.add(loss, correct, r.cfg.Data.BatchSize)
		r.tellStep(m, side, lr)
		if n := r.cfg.Checkpoint.EveryNTrainSteps; n > 0 && r.batch%n == 0 && r.batch < r.perEpoch {
			if err := r.save(); err != nil {
				return err
			}
		}
	}
	return r.endEpoch(m, loader.Waited())
}

// step trains on one batch and returns its mean loss and how many labels it got
// right.
func (r *run) step(b *dataset.Batch, side int, lr float64) (loss float64, correct int64) {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		x, y := r.input(b, side)
		var logits, l torch.Tensor
		r.autocast(func() {
			logits = r.net.Forward(x)
			l = torch.CrossEntropyLoss(logits, y, torch.Tensor{}, torch.ReduceMean, -100, r.cfg.Optim.LabelSmoothing)
		})
		l.Backward()
		r.opt.SetLR(lr)
		r.opt.Step()
		r.opt.ZeroGrad()
		loss, correct = l.Float64(), countCorrect(logits, y)
	})
	return loss, correct
}

func (r *run) autocast(body func()) {
	if r.cfg.Trainer.Precision == "bf16-mixed" {
		torch.Autocast(torch.Device{}, torch.BFloat16, body)
		return
	}
	body()
}

func countCorrect(logits, labels torch.Tensor) int64 {
	hits := torch.Eq(torch.ArgmaxDim(logits, 1), labels)
	return int64(torch.Sum(hits).Float64())
}

func (r *run) tellStep(m *meter, side int, lr float64) {
	if r.events.Step != nil {
		r.events.Step(Step{
			Epoch: r.epoch, Index: r.batch, Steps: r.perEpoch, Side: side, LR: lr,
			Loss: m.loss(), Accuracy: m.accuracy(), ImagesPerSecond: m.rate(),
		})
	}
}

// endEpoch evaluates, logs, and writes a checkpoint from which the next epoch
// begins.
func (r *run) endEpoch(m *meter, waited time.Duration) error {
	rate := m.rate()
	testLoss, testAccuracy, err := r.evaluate()
	if err != nil {
		return err
	}
	r.last = Epoch{
		Epoch: r.epoch, TrainLoss: m.loss(), TrainAccuracy: m.accuracy(),
		TestLoss: testLoss, TestAccuracy: testAccuracy,
		ImagesPerSecond: rate, LoaderWait: waited.Seconds(), Duration: time.Since(m.start),
	}
	r.epoch, r.batch = r.epoch+1, 0
	step := int64(r.epoch * r.perEpoch)
	err = r.log.Log(step, map[string]float64{
		"epoch": float64(r.last.Epoch), "train_loss": r.last.TrainLoss, "train_accuracy": r.last.TrainAccuracy,
		"test_loss": testLoss, "test_accuracy": testAccuracy, "lr": r.schedule.At(int(step) - 1),
		"images_per_second": rate, "loader_wait_seconds": waited.Seconds(),
	})
	if err != nil {
		return err
	}
	if r.events.Epoch != nil {
		r.events.Epoch(r.last)
	}
	return r.save()
}

func (r *run) interrupted(cause error) error {
	if err := r.save(); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrInterrupted, cause), err)
	}
	return fmt.Errorf("%w: %w; go on with resume=%s", ErrInterrupted, cause, r.cfg.OutputDir)
}

func (r *run) resized(side int) (*dataset.Set, error) {
	switch {
	case side == r.train.Height:
		r.sized = nil
		return r.train, nil
	case r.sized != nil && r.sized.Height == side:
		return r.sized, nil
	}
	var err error
	r.sized, err = r.train.Resized(side, vision.PillowResizer)
	return r.sized, err
}

// augment scales the crop and the cutout, which are given for the data's own
// size, to another.
func (r *run) augment(side int) dataset.Augment {
	scale := func(n int) int { return (n*side + r.train.Height/2) / r.train.Height }
	return dataset.Augment{
		Pad: scale(r.cfg.Data.Pad), Flip: r.cfg.Data.Flip, Cutout: scale(r.cfg.Data.Cutout),
		CutoutFill: meanColour(),
	}
}

func (r *run) close() {
	if r.log != nil {
		r.log.Finish(track.StatusFinished, nil)
	}
	if r.opt.Opt != nil {
		r.opt.Close()
	}
	if r.net != nil {
		r.net.Close()
	}
}
