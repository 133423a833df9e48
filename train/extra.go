package train

import (
	"context"
	"fmt"
	"slices"

	"github.com/torchlit/torchlit/dataset"
)

// options say how this run opens data sets.
func (r *run) options() dataset.Options {
	c := &r.cfg.Data
	return dataset.Options{
		Labels: c.Labels, MinSide: c.MinSide, Resize: r.cfg.Augment.Resizer, Workers: c.Workers,
		SkipCorrupt: c.Corrupt == dataset.CorruptSkip, MaxCorrupt: c.MaxCorrupt,
		InMemory: dataset.InMemory(c.InMemory), CacheDir: c.CacheDir, Log: r.notice,
	}
}

// openParts opens data.dir. Its classes have the order of the weights that the run goes on from, where those know them: else
// the classifier's rows would mean other classes.
func (r *run) openParts(ctx context.Context) (*dataset.Parts, error) {
	c := &r.cfg.Data
	opts := r.options()
	parts, err := dataset.OpenParts(ctx, c.Dir, opts, c.ValFraction, r.cfg.Seed)
	if err != nil {
		return nil, err
	}
	found, order := parts.Train.ClassNames(), r.classesBefore()
	if !slices.Equal(found, order) && slices.Equal(slices.Sorted(slices.Values(found)), slices.Sorted(slices.Values(order))) {
		opts.Classes = order
		if parts, err = dataset.OpenParts(ctx, c.Dir, opts, c.ValFraction, r.cfg.Seed); err != nil {
			return nil, err
		}
	}
	r.tellPassed(parts)
	return parts, nil
}

// classesBefore are those of the weights that the run goes on from, nil where they are not known.
func (r *run) classesBefore() []string {
	if r.before != nil {
		return r.before.state.Facts.Classes
	}
	if folder := r.initFolder(); folder != nil {
		return folder.Config.LabelNames
	}
	return nil
}

func (r *run) tellPassed(parts *dataset.Parts) {
	for _, p := range parts.Passed {
		r.notice(fmt.Sprintf("left out %q: %v", p.File, p.Err))
	}
}

// openExtra puts the images of data.extra_dir behind those of data.dir, but for the ones that validate.
func (r *run) openExtra(ctx context.Context) error {
	d, c := r.data, &r.cfg.Data
	opts := r.options()
	opts.Classes = d.classes
	var err error
	if opts.Size, err = d.sizeOfExtra(c); err != nil {
		return err
	}
	parts, err := dataset.OpenParts(ctx, c.ExtraDir, opts, c.ValFraction, r.cfg.Seed)
	if err != nil {
		return fmt.Errorf("cannot train with data.extra_dir: %w", err)
	}
	r.tellPassed(parts)
	if d.train, err = dataset.Join(d.train, parts.Train); err != nil {
		return fmt.Errorf("cannot train with data.extra_dir=%s: %w", c.ExtraDir, err)
	}
	d.extra, d.extraVal = parts.Train.Len(), parts.Val
	return nil
}

// tellExtra says how often the extra images come: the fewer they are, the sooner they are learnt by heart.
func (r *run) tellExtra() {
	d, c := r.data, &r.cfg.Data
	if d.extra == 0 || r.overfits() {
		return
	}
	shown := c.ExtraShare * float64(r.perEpoch*c.BatchSize*r.group.Size())
	r.notice(fmt.Sprintf("%d images of %q are %.4g %% of each epoch, in which each comes %.3g times; %d more validate",
		d.extra, c.ExtraDir, 100*c.ExtraShare, shown/float64(d.extra), d.extraVal.Len()))
}

// sizeOfExtra is the size that the extra images have to have to lie beside the others; 0 for any.
func (d *images) sizeOfExtra(c *Data) (int, error) {
	if set, ok := d.train.(*dataset.Set); ok && set.Height == set.Width {
		return set.Height, nil
	}
	if c.ImageSize > 0 {
		return 0, nil
	}
	first, err := d.train.Load(0)
	if err != nil {
		return 0, fmt.Errorf("cannot tell the size of the images: %w; set data.image_size", err)
	}
	defer first.Release()
	return min(first.Width, first.Height), nil
}

// shareOut scales the weights of the images so that the extra ones are share of an epoch.
func (d *images) shareOut(share float64) {
	if d.extra == 0 {
		return
	}
	scale := func(weights []float64, to float64) {
		var sum float64
		for _, w := range weights {
			sum += w
		}
		for i := range weights {
			weights[i] *= to / sum
		}
	}
	n := len(d.imageWeights) - d.extra
	scale(d.imageWeights[:n], 1-share)
	scale(d.imageWeights[n:], share)
}

// evaluateExtra validates on the extra images; nil where there are none.
func (r *run) evaluateExtra(ctx context.Context) (*Extra, error) {
	val := r.data.extraVal
	if val == nil || r.overfits() {
		return nil, nil
	}
	batch := min(largestValBatch, val.Len()) * r.group.Size()
	s, err := r.passOver(ctx, val, r.cfg.Trainer.LimitValBatches.Of((val.Len()+batch-1)/batch), nil)
	if err != nil {
		return nil, err
	}
	return &Extra{Loss: s.Loss / float64(s.Images), Accuracy: float64(s.Correct) / float64(s.Images)}, nil
}
