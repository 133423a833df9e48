package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/torch"
)

// monitored lists the metrics that checkpoints and early stopping can go by.
var monitored = []string{"val_loss", "val_accuracy", "train_loss", "train_accuracy"}

// evaluate returns the mean loss and the accuracy on the first limit of the validation
// batches, in the precision of training. Without batches both are NaN.
func (r *run) evaluate(ctx context.Context, limit int) (loss, accuracy float64, err error) {
	s, err := r.passOver(ctx, r.data.val, limit, nil)
	return s.Loss / float64(s.Images), float64(s.Correct) / float64(s.Images), err
}

// passOver runs the first limit batches of validation images through the network and hands
// each batch's logits [N, classes] and labels to see, if that is not nil. Each rank
// takes its share, and the sums are of all of them; their loss is not of batches, but
// of images.
func (r *run) passOver(ctx context.Context, images dataset.Source, limit int, see func(logits torch.Tensor, labels []int64)) (sums, error) {
	if err := r.levelBuffers(); err != nil {
		return sums{}, err
	}
	c := r.loaderConfig(images, r.validationTransform())
	c.BatchSize = min(largestValBatch, images.Len())
	loader, err := dataset.NewLoader(c)
	if err != nil {
		return sums{}, err
	}
	defer loader.Close()
	r.net.Train(false)
	defer r.net.Train(true)
	meter := newMeter(r.device)
	defer meter.close()
	for range limit {
		b, err := loader.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sums{}, err
		}
		if b.N > 0 {
			torch.NoGrad(func() { torch.Scope(func(func(torch.Tensor) torch.Tensor) { r.look(b, meter, see) }) })
		}
		b.Release()
	}
	return r.total(meter.read())
}

// look runs a validation batch through the network.
func (r *run) look(b *dataset.Batch, m *meter, see func(logits torch.Tensor, labels []int64)) {
	x, y := r.input(b), r.place(torch.FromSlice(b.Labels, int64(b.N)))
	r.autocast(func() {
		logits := r.net.Forward(x)
		m.add(torch.CrossEntropyLoss(logits, y, torch.Tensor{}, torch.ReduceSum, -100, 0), countCorrect(logits, y), b.N)
		if see != nil {
			see(logits, b.Labels)
		}
	})
}

// valBatchSize is how many images a rank's validation batch has: with no gradients to
// keep it may be larger than a training batch, and of a size of its own it does not
// change the figures when data.batch_size changes.
func (r *run) valBatchSize() int { return min(largestValBatch, r.data.val.Len()) }

const largestValBatch = 250

// valBatches is how many batches a validation has.
func (r *run) valBatches() int {
	global := r.valBatchSize() * r.group.Size()
	if r.overfits() {
		return max(1, r.perEpoch*r.cfg.Data.BatchSize/global)
	}
	return r.cfg.Trainer.LimitValBatches.Of((r.data.val.Len() + global - 1) / global)
}

// sanityCheck runs a few batches of the validation before the training, so that what
// is wrong with it shows now and not after an epoch.
func (r *run) sanityCheck(ctx context.Context) error {
	n := min(r.cfg.Trainer.NumSanityValSteps, r.valBatches())
	if n == 0 || r.at.Step > 0 {
		return nil
	}
	loss, _, err := r.evaluate(ctx, n)
	if err != nil {
		return fmt.Errorf("cannot validate: %w", err)
	}
	if !finite(loss) {
		return fmt.Errorf("cannot train: the loss of the untrained network is %v; check init and the data's values", loss)
	}
	return nil
}

// validationDue tells whether the step just taken is one after which to validate; last
// tells whether it was the epoch's last.
func (r *run) validationDue(last bool) bool {
	t := &r.cfg.Trainer
	if r.valBatches() == 0 || (r.at.Epoch+1)%t.CheckValEveryNEpoch != 0 {
		return false
	}
	every := t.ValCheckInterval.Of(r.perEpoch)
	if every == r.perEpoch {
		return last
	}
	n := t.AccumulateGradBatches
	return r.at.Batch/every > max(0, r.at.Batch-n)/every // a multiple lies among the step's batches
}

// validate runs the validation with the weights that would be the model, and tells
// everyone who waits for its figures.
func (r *run) validate(ctx context.Context) (err error) {
	defer r.profile.start("validation")()
	v := Validation{Epoch: r.at.Epoch, GlobalStep: r.at.Step}
	measure := func() {
		v.Loss, v.Accuracy, err = r.evaluate(ctx, r.valBatches())
		if err == nil {
			v.Extra, err = r.evaluateExtra(ctx)
		}
	}
	if r.ema != nil && r.at.EMAs > 0 {
		v.Of = "ema"
		r.ema.instead(measure)
	} else {
		measure()
	}
	r.clock = time.Now()
	if err != nil {
		return err
	}
	r.at.Last.ValLoss, r.at.Last.ValAccuracy, r.at.ValidatedAt = v.Loss, v.Accuracy, r.at.Step
	metrics := map[string]float64{"epoch": float64(r.at.Epoch), "val_loss": v.Loss, "val_accuracy": v.Accuracy}
	if v.Extra != nil {
		metrics["val_extra_loss"], metrics["val_extra_accuracy"] = v.Extra.Loss, v.Extra.Accuracy
	}
	r.logMetrics(metrics)
	r.tellValidated(v)
	if err := r.watchPlateau(v.Loss); err != nil {
		return err
	}
	r.watchEarlyStopping()
	return nil
}

func (r *run) tellValidated(v Validation) {
	if r.events.Validated != nil {
		r.events.Validated(v)
	}
}

// metric returns one of the monitored metrics as it stands: of the validation last, and
// of the epoch at hand or, between two, of the one before. It is NaN while unknown.
func (r *run) metric(name string) float64 {
	train := r.at.EpochSums
	last := &r.at.Last
	switch {
	case strings.HasPrefix(name, "val_") && r.at.ValidatedAt == 0, train.Batches == 0 && last.ImagesPerSecond == 0:
		return math.NaN()
	case name == "val_loss":
		return last.ValLoss
	case name == "val_accuracy":
		return last.ValAccuracy
	case train.Batches == 0 && name == "train_loss":
		return last.TrainLoss
	case train.Batches == 0:
		return last.TrainAccuracy
	case name == "train_loss":
		return train.loss()
	}
	return train.accuracy()
}

// stopWatch is what early stopping remembers between two validations.
type stopWatch struct {
	Best float64 `json:"best"`
	Bad  int     `json:"bad"` // validations since
}

// watchEarlyStopping ends the run after a validation that is one too many without
// progress.
func (r *run) watchEarlyStopping() {
	c := &r.cfg.EarlyStopping
	if c.Monitor == "" {
		return
	}
	value := r.metric(c.Monitor)
	better := func(a, b float64) bool { // a than b
		if c.Mode == "max" {
			return a > b
		}
		return a < b
	}
	delta := c.MinDelta
	if c.Mode == "min" {
		delta = -delta
	}
	reason := ""
	switch w := r.at.Stop; {
	case !finite(value):
		reason = fmt.Sprintf("%s is %v", c.Monitor, value)
	case c.StoppingThreshold != nil && better(value, *c.StoppingThreshold):
		reason = fmt.Sprintf("%s=%.4g is past early_stopping.stopping_threshold=%v", c.Monitor, value, *c.StoppingThreshold)
	case c.DivergenceThreshold != nil && better(*c.DivergenceThreshold, value):
		reason = fmt.Sprintf("%s=%.4g is worse than early_stopping.divergence_threshold=%v", c.Monitor, value, *c.DivergenceThreshold)
	case w == nil || better(value-delta, w.Best):
		r.at.Stop = &stopWatch{Best: value}
	default:
		w.Bad++
		if w.Bad >= c.Patience {
			reason = fmt.Sprintf("%s has not been better than %.4g for %d validations (early_stopping.patience)", c.Monitor, w.Best, w.Bad)
		}
	}
	if reason != "" && r.at.Epoch+1 >= r.cfg.Trainer.MinEpochs {
		r.at.Stopped = reason
	}
}
