package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/torchlit/torchlit/dist"
	"github.com/torchlit/torchlit/torch"
)

// Several ranks.
//
// Each rank trains on its share of every batch, and the gradients are averaged as they
// come (package dist). All ranks hold the same position and the same weights, so what a
// run decides by them, such as the next learning rate, needs no talk. What differs
// between ranks are the sums of figures, which are added up wherever they are read, and
// the clock and the signals, on which the ranks agree every few steps. Rank 0 alone
// keeps the record: it logs, tells and writes. A run folder that is resumed must be
// there for all of them.

// agreeEvery is after how many steps the ranks agree whether to go on.
const agreeEvery = 10

// openGroup joins the ranks and takes the rank's device.
func (r *run) openGroup(ctx context.Context) error {
	env, err := dist.FromEnvironment()
	if err != nil {
		return fmt.Errorf("cannot train on several ranks: %w", err)
	}
	if r.device, err = openDevice(&r.cfg.Trainer, env); err != nil {
		return err
	}
	if r.group, err = dist.Open(ctx, env, dist.Options{Device: r.device}); err != nil {
		return fmt.Errorf("cannot train on several ranks: %w", err)
	}
	if !r.leads() {
		r.events = Events{}
	}
	return nil
}

func (r *run) alone() bool { return r.group.Size() == 1 }

// leads tells whether this rank keeps the record.
func (r *run) leads() bool { return r.group.Rank() == 0 }

// openReducer makes all ranks begin with the same weights, and watches for gradients.
func (r *run) openReducer() (err error) {
	if err := dist.BroadcastParameters(r.group, r.net.Parameters(), r.net.Buffers()); err != nil {
		return err
	}
	if r.cfg.Trainer.SyncBatchNorm && !r.alone() {
		if r.stopSync, err = dist.SyncBatchNorm(r.group, r.net); err != nil {
			return err
		}
	}
	return r.watchGradients()
}

// watchGradients follows the parameters that are trained in the epoch at hand.
func (r *run) watchGradients() (err error) {
	if r.reducer != nil {
		r.reducer.Close()
	}
	r.reducer, err = dist.NewReducer(r.group, r.net.Trainable(), dist.ReducerOptions{})
	return err
}

// levelBuffers makes the running statistics, which each rank has moved by its own
// batches, rank 0's, before they are used for more than training.
func (r *run) levelBuffers() error {
	if r.alone() || r.lost || r.cfg.Trainer.SyncBatchNorm {
		return nil
	}
	return dist.BroadcastParameters(r.group, r.net.Buffers())
}

// total adds sums up over all ranks.
func (r *run) total(s sums) (sums, error) {
	if r.alone() {
		return s, nil
	}
	correct, n, batches := float64(s.Correct), float64(s.Images), float64(s.Batches)
	if err := dist.Sum(r.group, &s.Loss, &correct, &n, &batches); err != nil {
		return s, err
	}
	s.Correct, s.Images, s.Batches = int64(correct), int(n), int(batches)
	return s, nil
}

// interrupted tells whether to end the run now: at once when alone, otherwise by what
// any rank has been told, at a step at which all of them ask.
func (r *run) interrupted(ctx context.Context) error {
	own := ctx.Err()
	if r.alone() {
		return own
	}
	if r.at.Step%agreeEvery != 0 {
		return nil
	}
	told, late := 0.0, 0.0
	if own != nil {
		told = 1
	}
	if r.leads() && r.outOfTime() {
		late = 1
	}
	if err := dist.Sum(r.group, &told, &late); err != nil {
		return err
	}
	r.late = late > 0
	if told > 0 {
		return errors.Join(own, context.Canceled)
	}
	return nil
}

// outOfTime tells whether the time that the run may take is over.
func (r *run) outOfTime() bool {
	limit, _ := parseDuration(r.cfg.Trainer.MaxTime)
	return limit > 0 && r.elapsed() >= limit
}

// elapsed is how long the run has trained, in earlier processes too.
func (r *run) elapsed() time.Duration { return r.at.Elapsed + time.Since(r.began) }

// backwardPass runs the gradients of loss, which travel meanwhile if this batch is the
// last of its step.
func (r *run) backwardPass(loss torch.Tensor, last bool) error {
	if last || r.alone() {
		loss.Backward()
		return nil
	}
	return r.reducer.NoSync(func() { loss.Backward() })
}
