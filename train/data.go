package train

import (
	"errors"
	"fmt"
	"math"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/vision"
)

// CIFAR-10's mean and standard deviation by channel, of pixels scaled to 0…1.
var (
	Mean = [3]float64{0.4914, 0.4822, 0.4465}
	Std  = [3]float64{0.2470, 0.2435, 0.2616}
)

// errTooFewImages is wrapped when there is not one whole batch.
var errTooFewImages = errors.New("too few images")

// openData opens the training and the validation set and plans the steps.
func (r *run) openData() error {
	var err error
	if r.train, r.val, err = dataset.OpenSplits(r.cfg.Data.Dir, dataset.Options{}); err != nil {
		return err
	}
	if r.train.Height != r.train.Width {
		return fmt.Errorf("cannot train on images of %d×%d pixels: they must be square", r.train.Width, r.train.Height)
	}
	batch := r.cfg.Data.BatchSize
	if r.perEpoch = r.train.Len() / batch; r.perEpoch == 0 {
		return fmt.Errorf("%w: cannot train on %d images in batches of %d; lower data.batch_size", errTooFewImages, r.train.Len(), batch)
	}
	t := &r.cfg.Trainer
	r.perEpoch = t.LimitTrainBatches.Of(r.perEpoch)
	if !t.OverfitBatches.None() {
		r.perEpoch = t.OverfitBatches.Of(r.perEpoch)
		r.val = r.train
	}
	r.planSteps()
	return nil
}

// overfits tells whether the run trains and validates on the same few images, which
// says whether a network and its settings can learn at all.
func (r *run) overfits() bool { return !r.cfg.Trainer.OverfitBatches.None() }

// trainLoader deals out what is left of the epoch at hand, at images of side pixels.
func (r *run) trainLoader(side int) (*dataset.Loader, error) {
	set, err := r.resized(side)
	if err != nil {
		return nil, err
	}
	c := dataset.LoaderConfig{
		Source: set, BatchSize: r.cfg.Data.BatchSize, DropLast: true,
		Seed: r.cfg.Seed, Epoch: r.at.Epoch, Start: r.at.Batch,
	}
	if !r.overfits() {
		c.Transform, c.Shuffle = r.augment(side), true
	}
	return dataset.NewLoader(c)
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
func (r *run) augment(side int) dataset.Transform {
	scale := func(n int) int { return (n*side + r.train.Height/2) / r.train.Height }
	return &dataset.Augment{
		Pad: scale(r.cfg.Data.Pad), Flip: r.cfg.Data.Flip, Cutout: scale(r.cfg.Data.Cutout),
		CutoutFill: meanColour(),
	}
}

func meanColour() [3]byte {
	var c [3]byte
	for i, m := range Mean {
		c[i] = byte(math.Round(m * 255))
	}
	return c
}

// sideAt returns the image size of an epoch; own is the data's.
func (d *Data) sideAt(epoch, epochs, own int) int {
	side := own
	for _, p := range d.Sizes {
		if float64(epoch) >= p.From*float64(epochs) {
			side = p.Side
		}
	}
	return side
}

// input makes a batch's images normalised [N, 3, side, side] in channels-last
// order (which is the order of the bytes), and its labels [N].
func (r *run) input(b *dataset.Batch, side int) (x, y torch.Tensor) {
	n, s := int64(b.N), int64(side)
	place := func(t torch.Tensor) torch.Tensor {
		if r.onCPU() {
			return t
		}
		return t.PinMemory().CUDA(r.device, true)
	}
	x = place(torch.FromSlice(b.Images, n, s, s, 3)).Permute([]int64{0, 3, 1, 2}).CastTo(torch.Float)
	var scale, shift [3]float32 // (p/255 - mean)/std = p·scale + shift
	for i := range scale {
		scale[i] = float32(1 / (255 * Std[i]))
		shift[i] = float32(-Mean[i] / Std[i])
	}
	x = x.MulI(place(torch.FromSlice(scale[:], 1, 3, 1, 1)))
	x = x.AddI(place(torch.FromSlice(shift[:], 1, 3, 1, 1)), 1)
	return x, place(torch.FromSlice(b.Labels, n))
}

// countCorrect returns how many of the labels [N] are the largest of the logits
// [N, classes], a scalar.
func countCorrect(logits, labels torch.Tensor) torch.Tensor {
	return torch.Sum(torch.Eq(torch.ArgmaxDim(logits, 1), labels))
}
