package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
)

// Averages of the weights.
//
// Gradient descent wanders along the rim of a flat region of the loss. The mean of
// several points of its path lies nearer the middle, and does better on images it has
// not seen. There are two here. The exponential moving average (EMA) follows the
// weights at every step; it is what is validated. Stochastic weight averaging (SWA,
// Izmailov et al. 2018, https://arxiv.org/abs/1803.05407) takes the plain mean of the
// ends of the last epochs. The statistics of batch normalisation belong to the weights
// that they were measured with: the EMA averages them along, as timm does; after SWA
// they are measured afresh.

// average is a second set of a network's tensors, in the order of names.
type average struct {
	names []string
	net   map[string]torch.Tensor // the network's own, borrowed
	mean  []torch.Tensor
}

func (r *run) newAverage() *average {
	a := &average{net: r.net.StateDict()}
	for _, t := range r.net.Spec().Tensors() {
		a.names = append(a.names, t.Name)
		torch.NoGrad(func() { a.mean = append(a.mean, a.net[t.Name].Clone()) })
	}
	return a
}

func (r *run) openAverages() {
	if r.cfg.EMA.Decay > 0 {
		r.ema = r.newAverage()
	}
	if r.cfg.SWA.Epochs > 0 {
		r.swa = r.newAverage()
	}
}

// approach moves the mean by the share x of its way to the network's tensors.
func (a *average) approach(x float64) {
	current := make([]torch.Tensor, len(a.names))
	for i, name := range a.names {
		current[i] = a.net[name]
	}
	torch.LerpAll(a.mean, current, x)
}

// instead runs body with the mean in the network's place.
func (a *average) instead(body func()) {
	a.swap()
	defer a.swap()
	body()
}

// swap exchanges the network's values and the mean's. The network's tensors stay the
// same ones to whoever holds them.
func (a *average) swap() {
	for i, name := range a.names {
		t := a.net[name]
		own := t.Detach()
		t.SetData(a.mean[i])
		a.mean[i].Close()
		a.mean[i] = own
	}
}

// tensors lists the mean for a checkpoint, under a prefix.
func (a *average) tensors(prefix string, into map[string]torch.Tensor) {
	for i, name := range a.names {
		into[prefix+name] = a.mean[i]
	}
}

func (a *average) close() {
	for _, t := range a.mean {
		t.Close()
	}
}

// decayAt returns the decay of the n-th update, from 1 on.
func (e EMA) decayAt(n int) float64 {
	if !e.WarmUp {
		return e.Decay
	}
	return math.Min(e.Decay, float64(1+n)/float64(10+n))
}

// anneal leads the learning rate of a step from lr to SWA's own during the last epochs.
func (s SWA) anneal(lr float64, step, steps, perEpoch int) float64 {
	begin := steps - s.Epochs*perEpoch
	if s.Epochs == 0 || s.LR == 0 || step < begin {
		return lr
	}
	progress := 1.0
	if n := s.AnnealingEpochs * perEpoch; n > 0 {
		progress = math.Min(1, float64(step-begin)/float64(n))
	}
	share := (1 - math.Cos(math.Pi*progress)) / 2
	return lr + (s.LR-lr)*share
}

// settleAverage puts the mean of the weights in the network's place at the end of a
// run, if there is one.
func (r *run) settleAverage(ctx context.Context) (err error) {
	if r.ema != nil && r.at.EMAs > 0 {
		r.ema.swap() // validated as such already
		return nil
	}
	if r.swa == nil || r.at.SWAs == 0 {
		return nil
	}
	r.swa.swap()
	if err := r.remeasure(ctx); err != nil || r.valBatches() == 0 {
		return err
	}
	v := Validation{Epoch: r.at.Last.Epoch, GlobalStep: r.at.Step, Of: "swa"}
	if v.Loss, v.Accuracy, err = r.evaluate(ctx, r.valBatches()); err != nil {
		return err
	}
	r.at.Last.ValLoss, r.at.Last.ValAccuracy = v.Loss, v.Accuracy
	r.logMetrics(map[string]float64{"epoch": float64(v.Epoch), "swa_val_loss": v.Loss, "swa_val_accuracy": v.Accuracy})
	r.tellValidated(v)
	return nil
}

// remeasureBatches is how many batches the statistics are taken from. More no longer
// move them.
const remeasureBatches = 200

// remeasure takes the running statistics of batch normalisation anew, as the plain mean
// over batches of augmented training images at the data's own size.
func (r *run) remeasure(ctx context.Context) error {
	loader, err := r.epochLoader(r.data.side, r.cfg.Trainer.MaxEpochs, 0)
	if err != nil {
		return err
	}
	defer loader.Close()
	momenta := map[*nn.BatchNorm2dModule]float64{}
	for m := range nn.Modules(r.net) {
		if bn, ok := m.(*nn.BatchNorm2dModule); ok {
			momenta[bn] = bn.Momentum
		}
	}
	defer func() {
		for bn, momentum := range momenta {
			bn.Momentum = momentum
		}
	}()
	r.net.Train(true)
	for i := range remeasureBatches {
		batch, err := loader.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot measure the averaged weights: %w", err)
		}
		for bn := range momenta {
			bn.Momentum = 1 / float64(i+1) // the running mean so becomes the plain one
		}
		torch.NoGrad(func() {
			torch.Scope(func(func(torch.Tensor) torch.Tensor) {
				x := r.input(batch)
				r.autocast(func() { r.net.Forward(x) })
			})
		})
		batch.Release()
	}
	return nil
}
