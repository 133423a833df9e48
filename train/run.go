package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dist"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/pretrained"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/lrscheduler"
	"github.com/torchlit/torchlit/torch/vision/resnet"
	"github.com/torchlit/torchlit/track"
)

// run is a run: what it is made of, and where it stands.
type run struct {
	cfg    Config
	events Events

	device   torch.Device
	group    dist.Group
	data     *images
	init     *pretrained.Source // nil for none
	net      *resnet.Net
	reducer  *dist.Reducer
	stopSync func() // of synchronised batch normalisation; nil for none
	opt      torch.Optimizer
	ratios   []float64 // of the groups' learning rates to the run's
	schedule lrscheduler.Schedule
	scaler   *torch.GradScaler // nil unless the precision wants one
	ema      *average          // nil for none
	swa      *average          // nil for none
	log      track.Tracker     // nil for none
	profile  *profile          // nil for none

	trialLoader *dataset.Loader // of a finder's steps

	perEpoch int // batches
	steps    int // of the optimizer, in the whole run
	began    time.Time
	late     bool        // the ranks agree that the time is over
	lost     bool        // a rank is lost: the group is of no use any more
	logError string      // told last
	before   *checkpoint // of the run that goes on; nil for a new one

	at    position
	meter *meter    // what is not yet in at's sums
	clock time.Time // since when steps are timed
}

// position is where a run stands, between two steps of the optimizer. It is a
// checkpoint's JSON, and all that a run is a function of besides its configuration and
// its tensors.
type position struct {
	Epoch   int           `json:"epoch"` // batch Batch of epoch Epoch is next
	Batch   int           `json:"batch"`
	Step    int           `json:"step"`    // of the optimizer
	Elapsed time.Duration `json:"elapsed"` // of training, in earlier processes too

	EpochSums sums       `json:"epoch_sums"`
	SinceLog  sums       `json:"since_log"`
	Last      Epoch      `json:"last"`
	Best      []ranked   `json:"best,omitempty"`
	Stop      *stopWatch `json:"stop,omitempty"`
	Plateau   *plateau   `json:"plateau,omitempty"`
	EMAs      int        `json:"ema_updates,omitempty"`
	SWAs      int        `json:"swa_updates,omitempty"`
	Stopped   string     `json:"stopped,omitempty"`

	ValidatedAt int `json:"validated_at,omitempty"` // step
}

// Run trains as cfg says. When ctx ends, Run writes a checkpoint and returns an error
// that wraps ErrInterrupted.
func Run(ctx context.Context, cfg Config, events Events) (Result, error) {
	cfg = cfg.rehearsed()
	if err := cfg.Validate(); err != nil {
		return Result{}, err
	}
	// Each OS thread that runs operators gets a pool of workers and caches of its
	// own; a goroutine that wanders between threads would pay for several.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	r := &run{cfg: cfg, events: events, began: time.Now()}
	defer r.close()
	if err := r.guarded(func() error { return r.open(ctx) }); err != nil {
		return Result{}, err
	}
	defer r.tellSkipped()
	if err := r.guarded(func() error { return r.sanityCheck(ctx) }); err != nil {
		return Result{}, err
	}
	if err := r.guarded(func() error { return r.fit(ctx) }); err != nil {
		return r.result(), r.rescued(err)
	}
	var result Result
	err := r.guarded(func() (err error) {
		result, err = r.finish(ctx)
		return err
	})
	return result, err
}

// guarded runs a part of the run. What libtorch refuses in it is an error that says what
// to change.
func (r *run) guarded(body func() error) (err error) {
	var failed error
	refused := torch.Try(func() { failed = body() })
	switch {
	case refused == nil:
		return failed
	case outOfMemory(refused):
		return fmt.Errorf("cannot train in batches of %d: %w; lower data.batch_size, and raise trainer.accumulate_grad_batches by as much to train the same, or see torchlit tune batch-size",
			r.cfg.Data.BatchSize, refused)
	}
	return fmt.Errorf("cannot train: %w", refused)
}

// rehearsed is c, or for a fast development run what that is short for.
func (c Config) rehearsed() Config {
	n := c.Trainer.FastDevRun
	if n == 0 {
		return c
	}
	c.Trainer.MaxEpochs, c.Trainer.MaxSteps, c.Trainer.MinEpochs = 1, -1, 0
	c.Trainer.LimitTrainBatches, c.Trainer.LimitValBatches = Portion{Count: n}, Portion{Count: n}
	c.Trainer.OverfitBatches, c.Trainer.NumSanityValSteps = Portion{}, 0
	c.SWA.Epochs, c.EarlyStopping.Monitor = 0, ""
	return c
}

func (r *run) leavesNothing() bool { return r.cfg.Trainer.FastDevRun > 0 }

func (r *run) open(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		r.openGroup, r.openBefore, r.openInit, r.openData, r.openNet,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	r.openConstants()
	r.openOptimizer()
	r.openPrecision()
	r.meter = newMeter(r.device)
	r.openAverages()
	r.schedule = r.cfg.Optim.newSchedule(r.steps, r.stepsPerEpoch())
	if r.cfg.Trainer.Profiler != "" {
		r.profile = newProfile()
	}
	if r.before != nil {
		if err := r.resume(); err != nil {
			return err
		}
	}
	if err := r.openReducer(); err != nil {
		return err
	}
	if err := r.openLog(); err != nil {
		return err
	}
	r.tellStarted()
	return nil
}

// openBefore opens the newest checkpoint of the run that is to go on. It stays open until
// its tensors are restored.
func (r *run) openBefore(context.Context) (err error) {
	if r.cfg.Resume != "" {
		r.before, err = newest(r.cfg.Resume)
	}
	return err
}

// openInit finds the weights to begin with. A run that goes on has its own.
func (r *run) openInit(ctx context.Context) (err error) {
	if r.cfg.Init != "" && r.before == nil {
		r.init, err = pretrained.Open(ctx, r.cfg.Init, pretrained.Options{})
	}
	if err != nil || r.cfg.Model.Name != "" {
		return err
	}
	folder := r.initFolder()
	if folder == nil || folder.Config.Architecture == "" {
		return fmt.Errorf("cannot train with the architecture of init=%q: that is no model folder; set init to the one that is to be gone on from, or model.name", r.cfg.Init)
	}
	r.cfg.Model = Model{Name: folder.Config.Architecture}
	if folder.Extras.Stem == modeldir.StemCIFAR {
		r.cfg.Model.Stem = resnet.CIFARStem
	}
	return nil
}

// initFolder is the model folder of the weights to begin with, nil when there is none.
func (r *run) initFolder() *modeldir.Folder {
	if r.init == nil {
		return nil
	}
	return r.init.Folder()
}

func (r *run) openNet(context.Context) error {
	spec, err := resnet.Describe(r.cfg.Model.Name, r.cfg.Model.Stem, int64(len(r.data.classes)))
	if err != nil {
		return err
	}
	torch.ManualSeed(r.cfg.Seed)
	r.net = resnet.New(spec)
	if r.init != nil {
		report, err := r.init.Into(r.net)
		if err != nil {
			return err
		}
		r.notice(report.String())
	}
	r.net.To(r.device)
	r.net.ToChannelsLast()
	return nil
}

// stepsPerEpoch is how often the optimizer steps in an epoch: the last step of one may
// have gathered fewer batches.
func (r *run) stepsPerEpoch() int {
	n := r.cfg.Trainer.AccumulateGradBatches
	return (r.perEpoch + n - 1) / n
}

func (r *run) tellStarted() {
	if r.events.Started == nil {
		return
	}
	r.events.Started(Started{
		Classes: r.data.classes, TrainSize: r.data.train.Len(), ValSize: r.data.val.Len(), Device: r.device.String(), Ranks: r.group.Size(),
		Summary: r.summary(), FirstEpoch: r.at.Epoch, Epochs: r.cfg.Trainer.MaxEpochs, StepsPerEpoch: r.perEpoch,
	})
}

// finish validates the mean of the weights, when that is to be the model, and writes
// the model.
func (r *run) finish(ctx context.Context) (Result, error) {
	if err := r.settleAverage(ctx); err != nil {
		return r.result(), err
	}
	if r.profile != nil {
		r.notice(r.profile.table())
	}
	result := r.result()
	if r.leavesNothing() {
		return result, r.finishLog(track.StatusFinished)
	}
	if err := r.measure(ctx, &result); err != nil {
		return result, err
	}
	if !r.leads() {
		return result, nil
	}
	result.Model = filepath.Join(r.cfg.OutputDir, "model")
	if err := r.writeModel(&result); err != nil {
		return result, err
	}
	r.logFiles(result.Model)
	return result, r.finishLog(track.StatusFinished)
}

// tellSkipped lists the images that could not be read.
func (r *run) tellSkipped() {
	if r.data.tolerance == nil {
		return
	}
	for _, s := range r.data.tolerance.Skipped() {
		r.notice(fmt.Sprintf("left out %q: %v", s.File, s.Err))
	}
}

func (r *run) result() Result {
	return Result{Epoch: r.at.Last, Steps: r.at.Step, Stopped: r.at.Stopped, Network: r.cfg.Model}
}

// rescued is what Run returns for a run that ended with an error. Whatever it was, a
// checkpoint of the last whole step is worth having, unless the weights are spoilt.
func (r *run) rescued(cause error) error {
	interrupted := errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded)
	status := track.StatusFailed
	if interrupted {
		status = track.StatusInterrupted
		cause = fmt.Errorf("%w: %w", ErrInterrupted, cause)
	}
	logged := r.finishLog(status)
	var lost *dist.LostError
	r.lost = errors.As(cause, &lost)
	if r.leavesNothing() || errors.Is(cause, errSpoilt) || !interrupted && !r.cfg.Checkpoint.SaveOnException {
		return errors.Join(cause, logged)
	}
	if err := r.save(); err != nil {
		return errors.Join(cause, err, logged)
	}
	return errors.Join(fmt.Errorf("%w; go on with resume=%s", cause, r.cfg.OutputDir), logged)
}

func (r *run) close() {
	if r.log != nil {
		r.log.Finish(track.StatusFailed, nil)
	}
	if r.reducer != nil {
		r.reducer.Close()
	}
	if r.stopSync != nil {
		r.stopSync()
	}
	if torch.Available() == nil { // what openDevice set for the process
		torch.UseDeterministicAlgorithms(false)
		torch.SetDetectAnomaly(false)
	}
	if r.before != nil {
		r.before.file.Close()
	}
	if r.init != nil {
		r.init.Close()
	}
	if r.opt.Opt != nil {
		r.opt.Close()
	}
	if r.scaler != nil {
		r.scaler.Close()
	}
	for _, a := range []*average{r.ema, r.swa} {
		if a != nil {
			a.close()
		}
	}
	if r.meter != nil {
		r.meter.close()
	}
	if r.data != nil {
		r.data.close()
	}
	if r.net != nil {
		r.net.Close()
	}
	if r.group != nil {
		r.group.Close()
	}
}
