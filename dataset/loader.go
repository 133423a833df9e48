package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/torchlit/torchlit/vision"
)

// Batch is a batch ready to train on. Its slices are reused: they are the
// caller's from Next to Release.
type Batch struct {
	Images []byte  // N*Height*Width*3 bytes: 8-bit RGB, NHWC
	Labels []int64 // N labels
	N      int     // images in this batch; less than the batch size only in the last
	Index  int     // place of the batch in its epoch

	loader *Loader
	pixels []byte // Images at full batch size
	labels []int64
}

// LoaderConfig says what an epoch is made of. Source and BatchSize are needed.
type LoaderConfig struct {
	Source    Source
	BatchSize int
	// Transform changes each image; nil copies it. What it makes of the images
	// must have one size.
	Transform Transform
	// Shuffle visits the images in the order of Permutation.
	Shuffle bool
	// DropLast leaves out a last batch that would not be full.
	DropLast bool
	// Seed and Epoch determine the order and the augmentations.
	Seed  uint64
	Epoch int
	// Start is the first batch to deliver, to go on in the middle of an epoch.
	Start int
	// Depth is the number of batches in memory: those prepared ahead and those
	// the caller holds. 0: 4. At least 2.
	Depth int
}

// Loader prepares the batches of one epoch ahead of the training loop. Next
// and Release are for one goroutine, the training loop; Close may be called
// from another one.
//
// One producer goroutine is enough. It only copies bytes: hundreds of thousands
// of 32×32 images a second with crop and flip on one core, many times what a
// large GPU trains. It also makes the order of batches trivial. The batches
// go round in a ring of Depth buffers: free → producer → ready → caller →
// Release → free, so memory is bounded and an epoch allocates nothing.
type Loader struct {
	cfg     LoaderConfig
	order   []int32 // nil: as stored
	batches int

	height, width int   // of the batches' images
	failed        error // why the producer ended early; written before ready closes

	free, ready chan *Batch
	stop        chan struct{}
	once        sync.Once
	done        sync.WaitGroup
	wait        atomic.Int64
}

// ErrClosed is returned by Next after Close.
var ErrClosed = errors.New("the loader is closed")

// NewLoader checks the settings and starts to prepare the epoch's batches.
// The caller must Close the loader, also after its end.
func NewLoader(cfg LoaderConfig) (*Loader, error) {
	if cfg.Depth == 0 {
		cfg.Depth = 4
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	height, width, err := cfg.outputSize()
	if err != nil {
		return nil, err
	}
	n := cfg.Source.Len()
	l := &Loader{
		height: height, width: width,
		cfg:     cfg,
		batches: (n + cfg.BatchSize - 1) / cfg.BatchSize,
		free:    make(chan *Batch, cfg.Depth),
		ready:   make(chan *Batch, cfg.Depth),
		stop:    make(chan struct{}),
	}
	if cfg.DropLast {
		l.batches = n / cfg.BatchSize
	}
	if cfg.Start > l.batches {
		return nil, fmt.Errorf("cannot start an epoch of %d batches at batch %d", l.batches, cfg.Start)
	}
	if cfg.Shuffle {
		l.order = Permutation(n, cfg.Seed, cfg.Epoch)
	}
	for range min(cfg.Depth, max(l.batches-cfg.Start, 1)) {
		l.free <- &Batch{
			loader: l,
			pixels: make([]byte, cfg.BatchSize*height*width*3),
			labels: make([]int64, cfg.BatchSize),
		}
	}
	l.done.Go(l.produce)
	return l, nil
}

func (c *LoaderConfig) validate() error {
	switch {
	case c.Source == nil || c.Source.Len() == 0:
		return errors.New("cannot load batches: the data set is empty")
	case c.BatchSize < 1:
		return fmt.Errorf("cannot load batches of %d images: the batch size must be at least 1", c.BatchSize)
	case c.DropLast && c.BatchSize > c.Source.Len():
		return fmt.Errorf("cannot load batches of %d images: the data set has only %d and a batch that is not full would be dropped; use a smaller batch size", c.BatchSize, c.Source.Len())
	case c.Depth < 2:
		return fmt.Errorf("cannot load batches with depth %d: one is in use while the next is prepared, so it must be at least 2", c.Depth)
	case c.Start < 0:
		return fmt.Errorf("cannot start an epoch at batch %d", c.Start)
	}
	return nil
}

// outputSize is the size of the batches' images: what becomes of the first one.
func (c *LoaderConfig) outputSize() (height, width int, err error) {
	err = c.with(0, func(img *vision.Image) error {
		height, width, err = c.resultSize(img)
		return err
	})
	return height, width, err
}

// resultSize is the size of what becomes of an image.
func (c *LoaderConfig) resultSize(img *vision.Image) (height, width int, err error) {
	if c.Transform == nil {
		return img.Height, img.Width, nil
	}
	if v, ok := c.Transform.(interface{ Validate(height, width int) error }); ok {
		if err := v.Validate(img.Height, img.Width); err != nil {
			return 0, 0, err
		}
	}
	height, width = c.Transform.Size(img.Height, img.Width)
	return height, width, nil
}

// with calls do with image i, which is there until do returns.
func (c *LoaderConfig) with(i int, do func(*vision.Image) error) error {
	if r, ok := c.Source.(resident); ok {
		img := r.view(i)
		return do(&img)
	}
	img, err := c.Source.Load(i)
	if err != nil {
		return err
	}
	defer img.Release()
	return do(img)
}

// Batches returns the number of batches in a whole epoch.
func (l *Loader) Batches() int { return l.batches }

// Waited returns how long Next has waited for batches so far. More than a
// little means that the loader, not the model, sets the pace.
func (l *Loader) Waited() time.Duration { return time.Duration(l.wait.Load()) }

// Next returns the next batch, io.EOF at the end of the epoch, ctx's error
// when that is done first, or ErrClosed. The caller must Release the batch.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-l.stop:
		return nil, ErrClosed
	default:
	}
	select {
	case b, ok := <-l.ready:
		return l.deliver(b, ok)
	default:
	}
	start := time.Now()
	defer func() { l.wait.Add(int64(time.Since(start))) }()
	select {
	case b, ok := <-l.ready:
		return l.deliver(b, ok)
	case <-l.stop:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// deliver tells the end of the epoch from a producer that Close stopped.
func (l *Loader) deliver(b *Batch, ok bool) (*Batch, error) {
	if ok {
		return b, nil
	}
	select {
	case <-l.stop:
		return nil, ErrClosed
	default:
	}
	if l.failed != nil {
		return nil, l.failed
	}
	return nil, io.EOF
}

// Release gives the batch's memory back for a later batch. The batch must not
// be used after it; a second Release of the same batch panics.
func (b *Batch) Release() {
	if b.Images == nil {
		panic("BUG: a batch was released twice")
	}
	b.Images, b.Labels = nil, nil
	b.loader.free <- b // has room for every buffer there is
}

// Close stops the producer and waits until it has ended. It may be called
// more than once, and while batches are held.
func (l *Loader) Close() {
	l.once.Do(func() { close(l.stop) })
	l.done.Wait()
}

func (l *Loader) produce() {
	defer close(l.ready)
	for i := l.cfg.Start; i < l.batches; i++ {
		select {
		case b := <-l.free:
			if l.failed = l.fill(b, i); l.failed != nil {
				return
			}
			l.ready <- b // has room for every buffer there is
		case <-l.stop:
			return
		}
	}
}

// fill makes batch number index in b.
func (l *Loader) fill(b *Batch, index int) error {
	size := l.height * l.width * 3
	first := index * l.cfg.BatchSize
	b.Index, b.N = index, min(l.cfg.BatchSize, l.cfg.Source.Len()-first)
	b.Images, b.Labels = b.pixels[:b.N*size], b.labels[:b.N]
	for k := range b.N {
		i := first + k
		if l.order != nil {
			i = int(l.order[i])
		}
		b.Labels[k] = l.cfg.Source.Label(i)
		err := l.cfg.with(i, func(img *vision.Image) error { return l.show(b.Images[k*size:][:size], img, i) })
		if err != nil {
			return err
		}
	}
	return nil
}

// show writes what becomes of image i.
func (l *Loader) show(dst []byte, img *vision.Image, i int) error {
	height, width, err := l.cfg.resultSize(img)
	switch {
	case err != nil:
		return err
	case height != l.height || width != l.width:
		return fmt.Errorf("cannot put image %d into a batch: it becomes %dx%d pixels, the first one %dx%d; use a transform with one size for all",
			i, width, height, l.width, l.height)
	case l.cfg.Transform == nil:
		copy(dst, img.Pix)
	default:
		l.cfg.Transform.Apply(dst, img, Key{Seed: l.cfg.Seed, Epoch: l.cfg.Epoch, Index: i})
	}
	return nil
}
