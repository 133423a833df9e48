package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/safetensors"
)

// Averaging of the weights of the last epochs.
//
// Gradient descent wanders along the rim of a flat region of the loss. The mean of
// several points of its path lies nearer the middle, and does better on images it has
// not seen (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better
// Generalization", https://arxiv.org/abs/1803.05407). The cost is one pass over some
// training images: the statistics of batch normalisation belong to the weights they
// were measured with, so those of the mean are measured afresh.

// remeasureBatches is how many batches the statistics are taken from. More no longer
// move them.
const remeasureBatches = 200

// average replaces the network's weights by the mean of the checkpoints at the ends of
// the last cfg.Trainer.AverageEpochs epochs, and evaluates it.
func (r *run) average(ctx context.Context) error {
	n := r.cfg.Trainer.AverageEpochs
	paths, err := r.epochEnds(n)
	if err != nil {
		return err
	}
	for i, path := range paths {
		if err := r.addWeights(path, i == 0); err != nil {
			return err
		}
	}
	torch.NoGrad(func() {
		for _, t := range r.net.StateDict() {
			t.MulScalarI(1 / float64(n))
		}
	})
	if err := r.remeasure(ctx); err != nil {
		return err
	}
	if r.last.TestLoss, r.last.TestAccuracy, err = r.evaluate(); err != nil {
		return err
	}
	if r.events.Averaged != nil {
		r.events.Averaged(r.last)
	}
	return nil
}

// epochEnds returns the checkpoints of the last n epochs' ends.
func (r *run) epochEnds(n int) ([]string, error) {
	dir := checkpoints(r.cfg.OutputDir)
	all, err := list(dir)
	if err != nil {
		return nil, err
	}
	var ends []string
	for _, path := range all {
		var at position
		file, err := safetensors.Open(path)
		if err != nil {
			return nil, fmt.Errorf("cannot average the weights of %q: %w", path, err)
		}
		err = json.Unmarshal([]byte(file.Metadata()[stateKey]), &at)
		file.Close()
		if err == nil && at.Batch == 0 {
			ends = append(ends, path)
		}
	}
	if len(ends) < n {
		return nil, fmt.Errorf("cannot average the last %d epochs: %q holds the checkpoints of %d; raise checkpoint.keep or lower trainer.average_epochs", n, dir, len(ends))
	}
	return ends[len(ends)-n:], nil
}

// addWeights adds a checkpoint's tensors to the network's, or overwrites these.
func (r *run) addWeights(path string, overwrite bool) error {
	file, err := safetensors.Open(path)
	if err != nil {
		return fmt.Errorf("cannot average the weights of %q: %w", path, err)
	}
	defer file.Close()
	for name, t := range r.net.StateDict() {
		v, ok := file.Tensor(name)
		if !ok {
			return fmt.Errorf("cannot average the weights of %q: it has no tensor %q", path, name)
		}
		err := torch.Try(func() {
			torch.Scope(func(func(torch.Tensor) torch.Tensor) {
				torch.NoGrad(func() {
					one := torch.FromBytes(v.Data, torch.Float, v.Shape...)
					if overwrite {
						t.CopyI(one)
					} else {
						t.AddI(one, 1)
					}
				})
			})
		})
		if err != nil {
			return fmt.Errorf("cannot average the weights of %q: tensor %q: %w", path, name, err)
		}
	}
	return nil
}

// remeasure takes the running statistics of batch normalisation anew, as the plain mean
// over batches of augmented training images at the data's own size.
func (r *run) remeasure(ctx context.Context) error {
	side := r.train.Height
	set, err := r.resized(side)
	if err != nil {
		return err
	}
	augment := r.augment(side)
	loader, err := dataset.NewLoader(dataset.LoaderConfig{
		Source: set, BatchSize: r.cfg.Data.BatchSize, Transform: &augment, Shuffle: true, DropLast: true,
		Seed: r.cfg.Seed, Epoch: r.cfg.Trainer.MaxEpochs,
	})
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
				x, _ := r.input(batch, side)
				r.autocast(func() { r.net.Forward(x) })
			})
		})
		batch.Release()
	}
	return nil
}
