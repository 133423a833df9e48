package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/torch"
)

// errSpoilt is wrapped by errors after which the weights are worth nothing.
var errSpoilt = errors.New("the loss is not a number")

// fit trains until there is a reason to stop.
func (r *run) fit(ctx context.Context) error {
	for !r.over() {
		if err := r.trainEpoch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// over tells whether the run has come to its end, and notes why when that is early.
func (r *run) over() bool {
	t := &r.cfg.Trainer
	switch {
	case r.at.Stopped != "":
	case r.at.Epoch >= t.MaxEpochs:
		return true
	case r.at.Step >= r.steps && r.steps != t.MaxSteps: // the last epoch is about to end
		return true
	case r.at.Step >= r.steps:
		r.at.Stopped = fmt.Sprintf("trainer.max_steps=%d is reached", t.MaxSteps)
	case r.late || r.alone() && r.outOfTime():
		r.at.Stopped = fmt.Sprintf("trainer.max_time=%s is over", t.MaxTime)
	default:
		return false
	}
	return true
}

// trainEpoch trains on what is left of the epoch's batches.
func (r *run) trainEpoch(ctx context.Context) error {
	side := r.cfg.Data.sideAt(r.at.Epoch, r.cfg.Trainer.MaxEpochs, r.data.side)
	loader, err := r.trainLoader(side)
	if err != nil {
		return err
	}
	defer loader.Close()
	if err := r.trainMode(); err != nil {
		return err
	}
	if f := r.cfg.Freeze; r.thaws() {
		r.notice(fmt.Sprintf("the first %d parts of the network are trained from now on, at %v of the learning rate", f.Stages, f.LRRatio))
	}
	r.clock = time.Now()
	waited := time.Duration(0)
	for r.at.Batch < r.perEpoch && !r.over() {
		if err := r.interrupted(ctx); err != nil {
			return errors.Join(err, r.drain())
		}
		if r.over() {
			break
		}
		lr := r.setLR()
		if err := r.step(loader); err != nil {
			return err
		}
		r.at.EpochSums.Waited += loader.Waited() - waited
		r.at.SinceLog.Waited += loader.Waited() - waited
		waited = loader.Waited()
		if err := r.stepped(ctx, side, lr); err != nil {
			return err
		}
	}
	return r.endEpoch(ctx)
}

// step trains on as many batches as one step of the optimizer takes. It is not
// interrupted in between: a checkpoint knows of whole steps only. One that fails leaves
// the run before it.
func (r *run) step(loader *dataset.Loader) error {
	begin, whole := r.at.Batch, false
	defer func() {
		if !whole {
			r.at.Batch = begin
		}
	}()
	n := min(r.cfg.Trainer.AccumulateGradBatches, r.perEpoch-begin)
	for i := range n {
		done := r.profile.start("wait for data")
		batch, err := loader.Next(context.Background())
		done()
		if err != nil {
			return fmt.Errorf("cannot train: %w", err)
		}
		err = r.backward(batch, 1/float64(n), i == n-1)
		batch.Release()
		if err != nil {
			return err
		}
		r.at.Batch++
	}
	if !r.alone() {
		done := r.profile.start("wait for gradients")
		err := r.reducer.Wait()
		done()
		if err != nil {
			return err
		}
	}
	defer r.profile.start("optimizer step")()
	r.update()
	r.at.Step++
	whole = true
	return nil
}

// backward adds the gradients of a batch's loss, of which share counts; last tells
// whether the step's others are there.
func (r *run) backward(b *dataset.Batch, share float64, last bool) (err error) {
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		done := r.profile.start("batch to device")
		y := r.mix(b)
		r.showBatch(b)
		x := r.input(b)
		done()
		done = r.profile.start("forward")
		var logits, loss torch.Tensor
		r.autocast(func() {
			logits = r.net.Forward(x)
			loss = r.loss(logits, y)
		})
		done()
		done = r.profile.start("backward")
		defer done()
		r.meter.add(loss, countCorrect(logits, y.labels), b.N)
		if share != 1 {
			loss = torch.MulScalar(loss, share)
		}
		if r.scaler != nil {
			loss = r.scaler.Scale(loss)
		}
		err = r.backwardPass(loss, last)
	})
	return err
}

// update takes a step of the optimizer by the gradients at hand, and drops them.
func (r *run) update() {
	r.clip()
	if r.scaler != nil {
		r.scaler.Step(r.opt)
		r.scaler.Update()
	} else {
		r.opt.Step()
	}
	r.opt.ZeroGrad()
	if c := r.cfg.EMA; r.ema != nil && r.at.Epoch >= c.StartEpoch && r.at.Step%c.EveryNSteps == 0 {
		r.at.EMAs++
		r.ema.approach(1 - c.decayAt(r.at.EMAs))
	}
}

func (r *run) clip() {
	limit := r.cfg.Trainer.GradientClipVal
	if limit == 0 {
		return
	}
	if r.scaler != nil {
		r.scaler.Unscale(r.opt)
	}
	if r.cfg.Trainer.GradientClipAlgorithm == "value" {
		torch.ClipGradValue(r.net.Parameters(), limit)
		return
	}
	torch.ClipGradNorm(r.net.Parameters(), limit, 2).Close()
}

// stepped does what is due after a step: figures, a validation, a checkpoint.
func (r *run) stepped(ctx context.Context, side int, lr float64) error {
	t, c := &r.cfg.Trainer, &r.cfg.Checkpoint
	last := r.at.Batch == r.perEpoch
	validate := r.validationDue(last)
	checkpoint := c.EveryNTrainSteps > 0 && r.at.Step%c.EveryNTrainSteps == 0 && !last && !r.leavesNothing()
	log := r.at.Step%t.LogEveryNSteps == 0
	// Reading the loss waits for the device; a CPU has finished already.
	if r.onCPU() && r.alone() || log || last || validate || checkpoint {
		if err := r.drain(); err != nil {
			return err
		}
		r.tellStep(side, lr)
	}
	if log {
		r.logStep(lr)
	}
	if validate {
		if err := r.validate(ctx); err != nil {
			return err
		}
	}
	if checkpoint {
		return r.save()
	}
	return nil
}

// drain brings the sums up to date.
func (r *run) drain() error {
	s, err := r.total(r.meter.read())
	if err != nil {
		return err
	}
	s.Took = time.Since(r.clock)
	r.clock = time.Now()
	if !finite(s.Loss) {
		return fmt.Errorf("cannot go on: %w: it is %v at step %d of epoch %d; lower optim.lr, clip gradients (trainer.gradient_clip_val=1), or resume=%s from the last checkpoint with a lower rate",
			errSpoilt, s.Loss, r.at.Step, r.at.Epoch+1, r.cfg.OutputDir)
	}
	r.at.EpochSums.add(s)
	r.at.SinceLog.add(s)
	return nil
}

func (r *run) tellStep(side int, lr float64) {
	if r.events.Step == nil {
		return
	}
	s := &r.at.EpochSums
	r.events.Step(Step{
		Epoch: r.at.Epoch, Index: r.at.Batch, Steps: r.perEpoch, GlobalStep: r.at.Step, Side: side, LR: lr,
		Loss: s.loss(), Accuracy: s.accuracy(), ImagesPerSecond: s.rate(),
	})
}

// endEpoch logs the epoch's figures and goes on to the next one. A run that stops
// within an epoch ends it there.
func (r *run) endEpoch(ctx context.Context) error {
	// A run does not end without having been validated, whatever the cadence.
	last := r.over() || r.at.Batch == r.perEpoch && r.at.Epoch+1 == r.cfg.Trainer.MaxEpochs
	if last && r.at.ValidatedAt != r.at.Step && r.valBatches() > 0 && !r.leavesNothing() {
		if err := r.validate(ctx); err != nil {
			return err
		}
	}
	s := r.at.EpochSums
	e := &r.at.Last
	e.Epoch, e.TrainLoss, e.TrainAccuracy = r.at.Epoch, s.loss(), s.accuracy()
	e.ImagesPerSecond, e.LoaderWait, e.Duration = s.rate(), s.Waited.Seconds(), s.Took
	r.logEpoch()
	r.logHistograms()
	if r.swa != nil && r.at.Epoch >= r.cfg.Trainer.MaxEpochs-r.cfg.SWA.Epochs {
		r.at.SWAs++
		r.swa.approach(1 / float64(r.at.SWAs))
	}
	if r.events.Epoch != nil {
		r.events.Epoch(*e)
	}
	if r.at.Batch == r.perEpoch {
		r.at.Epoch, r.at.Batch, r.at.EpochSums = r.at.Epoch+1, 0, sums{}
	}
	n := r.cfg.Checkpoint.EveryNEpochs
	due := n > 0 && r.at.Epoch%n == 0 || r.over()
	if !due || r.leavesNothing() {
		return nil
	}
	return r.save()
}
