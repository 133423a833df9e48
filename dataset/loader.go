package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Batch is a batch ready to train on. Its slices are reused: they are the
// caller's from Next to Release.
type Batch struct {
	Images []byte  // N*Height*Width*3 bytes: 8-bit RGB, NHWC
	Labels []int64 // N labels
	N      int     // images in this batch; less than the batch size only in the last
	Index  int     // place of the batch in its epoch
	Height int     // of every image, in pixels
	Width  int     // of every image, in pixels

	// Global is the number of images in this batch of all ranks together: what a
	// sum over the ranks is divided by. N where there is one rank.
	Global int

	loader *Loader
	pixels []byte // Images at full batch size
	labels []int64

	first   int // place in the epoch's order of the rank's first image
	pending atomic.Int32
	done    chan struct{} // one value once no image is pending
	mu      sync.Mutex
	failed  error // of the image nearest the batch's beginning
	place   int   // of that image
}

// LoaderConfig says what an epoch is made of. Source and BatchSize are needed.
type LoaderConfig struct {
	Source    Source
	BatchSize int // images in a batch of one rank
	// Transform changes each image; nil copies it. What it makes of the images
	// must have one size.
	Transform Transform
	// Shuffle visits the images in the order of Permutation.
	Shuffle bool
	// Order, where it is not nil, is the order in place of Shuffle's: indexes of
	// images, which may be missing or come several times, as WeightedOrder's do.
	// Each time that an image comes, it is transformed in another way.
	Order []int32
	// DropLast leaves out a last batch that would not be full.
	DropLast bool
	// Seed and Epoch determine the order and the transforms.
	Seed  uint64
	Epoch int
	// Start is the first batch to deliver, to go on in the middle of an epoch.
	Start int
	// Depth is the number of batches in memory: those prepared ahead and those
	// the caller holds. 0: 4. At least 2.
	Depth int
	// Workers is the number of goroutines that load and transform. 0: one for
	// each CPU that Go uses.
	Workers int
	// Rank and World share the images out among World loaders: number Rank takes
	// the images Rank, Rank+World, … of each global batch of World*BatchSize
	// images. So several ranks together see the batches that one rank with the
	// global batch size sees. World 0 stands for 1.
	//
	// Every rank has the same number of batches. Without DropLast the last one
	// may differ between them by an image, and be empty on some.
	Rank, World int
	// Tolerance allows images that cannot be read; nil: the first one is an error.
	Tolerance *Tolerance
}

// Loader prepares the batches of one epoch ahead of the training loop. Next
// and Release are for one goroutine, the training loop; Close and Stats may be
// called from others.
//
// The batches go round in a ring of Depth buffers:
//
//	free → dispatch → workers → Next → the caller → Release → free
//
// so memory is bounded (each worker holds one decoded image besides) and an
// epoch of images in memory allocates nothing. One goroutine hands out work in
// the order of the epoch. The unit of work is a few places of a batch, not a
// batch, so that all workers help with the batch that the caller waits for. The
// batches lie in the channel ready in their order from the moment that work on
// them begins; Next takes the first and waits until no image of it is pending.
// So the order does not depend on who is faster, and an image that cannot be
// read is reported at its place in the epoch, after the batches before it.
type Loader struct {
	cfg      LoaderConfig
	resident resident // cfg.Source, where its images lie in memory
	order    []int32  // nil: as stored
	repeats  []int32  // nil, or how often the image of each place came before
	images   int      // in an epoch of all ranks
	batches  int
	chunk    int // places that a worker takes at a time

	height, width int // of the batches' images

	free, ready chan *Batch
	jobs        chan job
	stop        chan struct{}
	once        sync.Once
	running     sync.WaitGroup
	counters    counters

	// Of the goroutine that calls Next.
	next *Batch // taken from ready, not yet done
	err  error  // what Next has failed with
}

// ErrClosed is returned by Next after Close.
var ErrClosed = errors.New("the loader is closed")

// NewLoader checks the settings and starts to prepare the epoch's batches. It
// loads the first image, whose size after the transform is that of all. The
// caller must Close the loader, also after its end.
func NewLoader(cfg LoaderConfig) (*Loader, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l := &Loader{cfg: cfg, images: cfg.images(), stop: make(chan struct{})}
	l.resident, _ = cfg.Source.(resident)
	var err error
	if l.height, l.width, err = l.outputSize(); err != nil {
		return nil, err
	}
	global := cfg.BatchSize * cfg.World
	l.batches = (l.images + global - 1) / global
	if cfg.DropLast {
		l.batches = l.images / global
	}
	if cfg.Start > l.batches {
		return nil, fmt.Errorf("cannot start an epoch of %d batches at batch %d", l.batches, cfg.Start)
	}
	switch {
	case cfg.Order != nil:
		l.order = cfg.Order
		l.repeats = countRepeats(cfg.Order, cfg.Source.Len())
	case cfg.Shuffle:
		l.order = Permutation(l.images, cfg.Seed, cfg.Epoch)
	}
	l.start()
	return l, nil
}

func (c *LoaderConfig) setDefaults() {
	if c.Depth == 0 {
		c.Depth = 4
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.World == 0 {
		c.World = 1
	}
}

// images is the number of images in an epoch of all ranks.
func (c *LoaderConfig) images() int {
	if c.Order != nil {
		return len(c.Order)
	}
	return c.Source.Len()
}

func (c *LoaderConfig) validate() error {
	switch {
	case c.Source == nil || c.Source.Len() == 0 || c.images() == 0:
		return errors.New("cannot load batches: the data set is empty")
	case c.BatchSize < 1:
		return fmt.Errorf("cannot load batches of %d images: the batch size must be at least 1", c.BatchSize)
	case c.Rank < 0 || c.World < 1 || c.Rank >= c.World:
		return fmt.Errorf("cannot load batches for rank %d of %d: ranks count from 0 to one less than their number", c.Rank, c.World)
	case c.DropLast && c.BatchSize*c.World > c.images():
		return fmt.Errorf("cannot load batches of %d images: the data set has only %d and a batch that is not full would be dropped; use a smaller batch size",
			c.BatchSize*c.World, c.images())
	case c.Depth < 2:
		return fmt.Errorf("cannot load batches with depth %d: one is in use while the next is prepared, so it must be at least 2", c.Depth)
	case c.Workers < 1:
		return fmt.Errorf("cannot load batches with %d workers: give at least 1", c.Workers)
	case c.Start < 0:
		return fmt.Errorf("cannot start an epoch at batch %d", c.Start)
	}
	for _, i := range c.Order {
		if i < 0 || int(i) >= c.Source.Len() {
			return fmt.Errorf("cannot load image %d of a set of %d", i, c.Source.Len())
		}
	}
	return nil
}

// countRepeats says for each place how often its image came before.
func countRepeats(order []int32, images int) []int32 {
	repeats := make([]int32, len(order))
	seen := make([]int32, images)
	for place, i := range order {
		repeats[place] = seen[i]
		seen[i]++
	}
	return repeats
}

// Batches returns the number of batches in a whole epoch.
func (l *Loader) Batches() int { return l.batches }

// Size returns the height and width of the batches' images in pixels.
func (l *Loader) Size() (height, width int) { return l.height, l.width }

// Next returns the next batch, io.EOF at the end of the epoch, ctx's error
// when that is done first, ErrClosed, or, again and again, the error of an image
// of this batch. The caller must Release the batch.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-l.stop:
		return nil, ErrClosed
	default:
	}
	if l.err != nil {
		return nil, l.err
	}
	if b, ok := l.atHand(); ok {
		return b, l.err
	}
	start := time.Now()
	defer func() { l.counters.wait.Add(int64(time.Since(start))) }()
	if l.next == nil {
		select {
		case b, ok := <-l.ready:
			if !ok {
				return nil, l.end()
			}
			l.next = b
		case <-l.stop:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	select {
	case <-l.next.done:
		return l.deliver(), l.err
	case <-l.stop:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// atHand delivers the next batch, or the end, if that needs no waiting.
func (l *Loader) atHand() (b *Batch, ok bool) {
	if l.next == nil {
		select {
		case b, ok := <-l.ready:
			if !ok {
				l.err = l.end()
				return nil, true
			}
			l.next = b
		default:
			return nil, false
		}
	}
	select {
	case <-l.next.done:
		return l.deliver(), true
	default:
		return nil, false
	}
}

// deliver takes the next batch, whose images have come to an end, well or badly.
func (l *Loader) deliver() *Batch {
	b := l.next
	if l.err = b.failed; l.err != nil {
		return nil
	}
	l.next = nil
	return b
}

// end tells the end of the epoch from a dispatch that Close stopped.
func (l *Loader) end() error {
	select {
	case <-l.stop:
		return ErrClosed
	default:
		return io.EOF
	}
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

// Close stops the goroutines and waits until they have ended, each after the
// image at hand. It may be called more than once, and while batches are held.
func (l *Loader) Close() {
	l.once.Do(func() { close(l.stop) })
	l.running.Wait()
}
