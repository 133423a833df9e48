package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
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
