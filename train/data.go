package train

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dataset/augment"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/vision"
)

// Means and standard deviations by channel, of pixels scaled to 0…1.
var (
	cifarMean    = [3]float64{0.4914, 0.4822, 0.4465}
	cifarStd     = [3]float64{0.2470, 0.2435, 0.2616}
	imagenetMean = [3]float64{0.485, 0.456, 0.406}
	imagenetStd  = [3]float64{0.229, 0.224, 0.225}
)

// errTooFewImages is wrapped when there is not one whole batch.
var errTooFewImages = errors.New("too few images")

// images is what a run trains and validates on.
type images struct {
	train, val dataset.Source
	extra      int            // of train, the last: those of data.extra_dir
	extraVal   dataset.Source // those of data.extra_dir that are held out; nil for none
	form       dataset.Form
	classes    []string
	ownSide    int // of all images, in pixels; 0 when they differ
	side       int // of the network's input
	tolerance  *dataset.Tolerance

	prep         vision.Preprocess // of validation
	mean, std    [3]float64
	lossWeights  []float32 // of the classes; nil for none
	imageWeights []float64 // of weighted sampling; nil for none
	mixer        *augment.Mixer

	scale, shift torch.Tensor // of normalisation, [1, 3, 1, 1] on the run's device
	weights      torch.Tensor // lossWeights there; the zero Tensor for none

	sized *dataset.Set // train at the current phase's size
}

// openData opens the training and the validation set and plans the steps.
func (r *run) openData(ctx context.Context) error {
	c := &r.cfg.Data
	parts, err := r.openParts(ctx)
	if err != nil {
		return err
	}
	d := &images{train: parts.Train, val: parts.Val, form: parts.Form, classes: parts.Train.ClassNames()}
	r.data = d
	if c.ExtraDir != "" {
		if err := r.openExtra(ctx); err != nil {
			return err
		}
	}
	if d.tolerance, err = dataset.Tolerate(c.Corrupt, d.train.Len(), c.MaxCorrupt); err != nil {
		return err
	}
	if err := d.measureSize(c); err != nil {
		return err
	}
	if err := r.chooseNormalisation(); err != nil {
		return err
	}
	if err := r.weighClasses(); err != nil {
		return err
	}
	r.cfg.Augment.Mean, r.cfg.Augment.Std = d.mean, d.std
	mix := r.cfg.Augment
	mix.Smoothing = r.cfg.Optim.LabelSmoothing
	if d.mixer, err = augment.NewMixer(mix, len(d.classes)); err != nil {
		return fmt.Errorf("cannot train: %w", err)
	}
	if err := r.planBatches(); err != nil {
		return err
	}
	r.tellExtra()
	return nil
}

// measureSize finds out how large the network's input is.
func (d *images) measureSize(c *Data) error {
	first, err := d.train.Load(0)
	if err != nil && c.ImageSize == 0 {
		return fmt.Errorf("cannot tell the size of the images: %w; set data.image_size", err)
	}
	if err == nil {
		if _, resident := d.train.(*dataset.Set); first.Width == first.Height && (resident || c.ImageSize == 0) {
			d.ownSide = first.Width
		}
		if c.ImageSize == 0 && d.ownSide == 0 {
			err = fmt.Errorf("cannot train on images of %d×%d pixels as they are: set data.image_size to the side of the network's input, such as 224", first.Width, first.Height)
		}
		first.Release()
	}
	if d.side = c.ImageSize; d.side == 0 {
		d.side = d.ownSide
		return err
	}
	return nil
}

// chooseNormalisation takes means and deviations from the run that goes on, from the
// settings, from the weights that the run begins with, or from what the data are.
func (r *run) chooseNormalisation() error {
	d, c := r.data, &r.cfg.Data
	d.mean, d.std = imagenetMean, imagenetStd
	if slices.Equal(d.classes, dataset.CIFAR10Classes()) || slices.Equal(d.classes, dataset.CIFAR100Classes()) {
		d.mean, d.std = cifarMean, cifarStd
	}
	if folder := r.initFolder(); folder != nil {
		p := folder.Config.Pretrained
		d.mean, d.std = p.Mean, p.Std
		if p.CropPct > 0 && c.CropPct == Default().Data.CropPct {
			c.CropPct, c.Interpolation = p.CropPct, p.Interpolation
		}
	}
	if len(c.Mean) == 3 {
		d.mean, d.std = [3]float64(c.Mean), [3]float64(c.Std)
	}
	if r.before != nil {
		f := &r.before.state.Facts
		d.mean, d.std, c.CropPct, c.Interpolation = f.Mean, f.Std, f.CropPct, f.Interpolation
	}
	ip, err := vision.ParseInterpolation(c.Interpolation)
	if err != nil {
		return fmt.Errorf("cannot train with data.interpolation=%q: %w", c.Interpolation, err)
	}
	d.prep = vision.Preprocess{Width: d.side, Height: d.side, CropPct: c.CropPct, Interpolation: ip}
	if d.side == d.ownSide {
		d.prep.CropPct = 1
	}
	for i := range 3 {
		d.prep.Mean[i], d.prep.Std[i] = float32(d.mean[i]), float32(d.std[i])
	}
	return d.prep.Validate()
}

// weighClasses prepares for classes of unequal size.
func (r *run) weighClasses() error {
	d, c := r.data, &r.cfg.Data
	const beta = 0.9999 // of the effective number of samples
	scheme := c.ClassWeights
	if c.Sampler == "weighted" && scheme == dataset.Uniform {
		scheme = dataset.InverseFrequency
	}
	weights, err := dataset.ClassWeights(dataset.Counts(d.train), scheme, beta)
	if err != nil {
		return fmt.Errorf("cannot train with data.class_weights=%q: %w", c.ClassWeights, err)
	}
	if c.Sampler == "weighted" || d.extra > 0 { // the images come in proportion, so the loss counts them alike
		d.imageWeights = dataset.ImageWeights(dataset.Labels(d.train), weights)
		d.shareOut(c.ExtraShare)
		return nil
	}
	if scheme != dataset.Uniform {
		for _, w := range weights {
			d.lossWeights = append(d.lossWeights, float32(w))
		}
	}
	return nil
}

// planBatches sets how many batches an epoch has and how many steps the run.
func (r *run) planBatches() error {
	global := r.cfg.Data.BatchSize * r.group.Size()
	if r.perEpoch = r.data.train.Len() / global; r.perEpoch == 0 {
		return fmt.Errorf("%w: cannot train on %d images in batches of %d; lower data.batch_size", errTooFewImages, r.data.train.Len(), global)
	}
	t := &r.cfg.Trainer
	r.perEpoch = t.LimitTrainBatches.Of(r.perEpoch)
	if !t.OverfitBatches.None() {
		r.perEpoch = t.OverfitBatches.Of(r.perEpoch)
		r.data.val = r.data.train
	}
	r.steps = t.MaxEpochs * r.stepsPerEpoch()
	if t.MaxSteps > 0 {
		r.steps = min(r.steps, t.MaxSteps)
	}
	return nil
}

// overfits tells whether the run trains and validates on the same few images, which
// says whether a network and its settings can learn at all.
func (r *run) overfits() bool { return !r.cfg.Trainer.OverfitBatches.None() }

// trainLoader deals out what is left of the epoch at hand, at images of side pixels.
func (r *run) trainLoader(side int) (*dataset.Loader, error) {
	if r.overfits() {
		c := r.loaderConfig(r.data.train, r.validationTransform())
		c.BatchSize, c.DropLast, c.Start = r.cfg.Data.BatchSize, true, r.at.Batch
		return dataset.NewLoader(c)
	}
	return r.epochLoader(side, r.at.Epoch, r.at.Batch)
}

// epochLoader deals out an epoch's augmented batches from batch start on.
func (r *run) epochLoader(side, epoch, start int) (*dataset.Loader, error) {
	source, err := r.sourceAt(side)
	if err != nil {
		return nil, err
	}
	transform, err := r.augmentAt(side)
	if err != nil {
		return nil, err
	}
	c := r.loaderConfig(source, transform)
	c.BatchSize, c.DropLast, c.Epoch, c.Start = r.cfg.Data.BatchSize, true, epoch, start
	if w := r.data.imageWeights; w != nil {
		if c.Order, err = dataset.WeightedOrder(w, source.Len(), r.cfg.Seed, epoch); err != nil {
			return nil, err
		}
	} else {
		c.Shuffle = true
	}
	return dataset.NewLoader(c)
}

// loaderConfig is what all of the run's loaders have in common.
func (r *run) loaderConfig(source dataset.Source, t dataset.Transform) dataset.LoaderConfig {
	return dataset.LoaderConfig{
		Source: source, Transform: t, Seed: r.cfg.Seed, Workers: r.cfg.Data.Workers, Tolerance: r.data.tolerance,
		Rank: r.group.Rank(), World: r.group.Size(),
	}
}

// sourceAt returns the training set for images of side pixels. Images that have the
// network's size as they are in memory are resized once, not each time.
func (r *run) sourceAt(side int) (dataset.Source, error) {
	d := r.data
	set, resident := d.train.(*dataset.Set)
	switch {
	case !resident || side == d.ownSide || d.ownSide != d.side || r.cfg.Augment.Scale != [2]float64{}:
		return d.train, nil
	case d.sized == nil || d.sized.Height != side:
		var err error
		if d.sized, err = set.Resized(side, vision.PillowResizer); err != nil {
			return nil, err
		}
	}
	return d.sized, nil
}

// augmentAt makes the training transform for images of side pixels. What is given in
// pixels is given for the full size.
func (r *run) augmentAt(side int) (dataset.Transform, error) {
	c := r.cfg.Augment
	scale := func(n int) int { return (n*side + r.data.side/2) / r.data.side }
	c.Pad, c.Resize, c.Cutout = scale(c.Pad), scale(c.Resize), scale(c.Cutout)
	t, err := augment.New(c, side)
	if err != nil {
		return nil, fmt.Errorf("cannot train: %w", err)
	}
	return t, nil
}

// validationTransform prepares validation images as the served model will.
func (r *run) validationTransform() dataset.Transform {
	if r.data.side == r.data.ownSide {
		return nil // as they are
	}
	return &preparation{r.data.prep, r.cfg.Augment.Resizer}
}

// preparation makes a transform of timm's evaluation pipeline.
type preparation struct {
	prep   vision.Preprocess
	resize vision.Resizer
}

func (p *preparation) Size(int, int) (height, width int) { return p.prep.Height, p.prep.Width }

func (p *preparation) Apply(dst []byte, src *vision.Image, _ dataset.Key) {
	resize := p.resize
	if resize == nil {
		resize = vision.PillowResizer
	}
	if err := p.prep.Apply(src, resize, dst); err != nil {
		panic(fmt.Sprintf("BUG: cannot prepare an image of %d×%d pixels: %v", src.Width, src.Height, err))
	}
}

// sideAt returns the image size of an epoch; own is the network's.
func (d *Data) sideAt(epoch, epochs, own int) int {
	side := own
	for _, p := range d.Sizes {
		if float64(epoch) >= p.From*float64(epochs) {
			side = p.Side
		}
	}
	return side
}

// input makes a batch's images normalised [N, 3, H, W] in channels-last order (which is
// the order of the bytes), on the run's device.
func (r *run) input(b *dataset.Batch) torch.Tensor {
	n, h, w := int64(b.N), int64(b.Height), int64(b.Width)
	x := r.place(torch.FromSlice(b.Images, n, h, w, 3)).Permute([]int64{0, 3, 1, 2}).CastTo(torch.Float)
	return x.MulI(r.data.scale).AddI(r.data.shift, 1)
}

// openConstants brings what every step needs of the data to the device. The constants
// are closed with the run.
func (r *run) openConstants() {
	d := r.data
	var scale, shift [3]float32 // (p/255 - mean)/std = p·scale + shift
	for i := range scale {
		scale[i] = float32(1 / (255 * d.std[i]))
		shift[i] = float32(-d.mean[i] / d.std[i])
	}
	constant := func(values []float32, shape ...int64) torch.Tensor {
		t := torch.FromSlice(values, shape...)
		if r.onCPU() {
			return t
		}
		defer t.Close()
		return t.CopyTo(r.device)
	}
	d.scale, d.shift = constant(scale[:], 1, 3, 1, 1), constant(shift[:], 1, 3, 1, 1)
	if d.lossWeights != nil {
		d.weights = constant(d.lossWeights, int64(len(d.lossWeights)))
	}
}

func (d *images) close() {
	for _, t := range []torch.Tensor{d.scale, d.shift, d.weights} {
		t.Close()
	}
}

// place brings a tensor to the run's device, without waiting for it.
func (r *run) place(t torch.Tensor) torch.Tensor {
	if r.onCPU() {
		return t
	}
	return t.PinMemory().CUDA(r.device, true)
}
