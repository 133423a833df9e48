package dataset

import (
	"fmt"
	"time"

	"github.com/torchlit/torchlit/vision"
)

// job is the places from ≤ k < to of a batch.
type job struct {
	batch    *Batch
	from, to int
}

// chunkResident is the number of images in memory that a worker takes at a time:
// a few microseconds' work each, against which handing out work one by one would
// weigh. What is decoded is handed out image by image.
const chunkResident = 32

// start allocates the batches and starts the goroutines.
func (l *Loader) start() {
	depth := min(l.cfg.Depth, max(l.batches-l.cfg.Start, 1))
	l.free, l.ready = make(chan *Batch, depth), make(chan *Batch, depth)
	l.jobs = make(chan job)
	for range depth {
		l.free <- &Batch{
			Height: l.height, Width: l.width,
			loader: l,
			pixels: make([]byte, l.cfg.BatchSize*l.height*l.width*3),
			labels: make([]int64, l.cfg.BatchSize),
			done:   make(chan struct{}, 1),
		}
	}
	l.chunk = 1
	if l.resident != nil {
		l.chunk = chunkResident
	}
	l.running.Go(l.dispatch)
	for range l.cfg.Workers {
		l.running.Go(l.work)
	}
}

// dispatch hands out the epoch's work in order.
func (l *Loader) dispatch() {
	defer close(l.ready)
	defer close(l.jobs)
	for i := l.cfg.Start; i < l.batches; i++ {
		select {
		case b := <-l.free:
			l.begin(b, i)
			l.ready <- b // has room for every buffer there is
			for from := 0; from < b.N; from += l.chunk {
				select {
				case l.jobs <- job{b, from, min(from+l.chunk, b.N)}:
				case <-l.stop:
					return
				}
			}
		case <-l.stop:
			return
		}
	}
}

// begin makes b the batch of that index, with all images pending.
func (l *Loader) begin(b *Batch, index int) {
	c := &l.cfg
	start := index * c.BatchSize * c.World
	b.Index, b.Global = index, min(c.BatchSize*c.World, l.images-start)
	b.N = (max(b.Global-c.Rank, 0) + c.World - 1) / c.World
	b.Images, b.Labels = b.pixels[:b.N*l.height*l.width*3], b.labels[:b.N]
	b.first = start + c.Rank
	b.failed = nil
	b.pending.Store(int32(b.N))
	if b.N == 0 {
		b.done <- struct{}{}
	}
}

func (l *Loader) work() {
	var scratch vision.Image // what a view of an image in memory is put into
	for j := range l.jobs {
		begun := time.Now()
		for k := j.from; k < j.to; k++ {
			select {
			case <-l.stop:
				return
			default:
			}
			if err := l.fill(j.batch, k, &scratch); err != nil {
				j.batch.fail(k, err)
			}
		}
		l.counters.images.Add(int64(j.to - j.from))
		l.counters.work.Add(int64(time.Since(begun)))
		if j.batch.pending.Add(int32(j.from-j.to)) == 0 {
			j.batch.done <- struct{}{} // has room for it
		}
	}
}

// fail keeps the error of the earliest place, whichever came first in time.
func (b *Batch) fail(place int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil || place < b.place {
		b.failed, b.place = err, place
	}
}

// fill makes the image at place k of the batch.
func (l *Loader) fill(b *Batch, k int, scratch *vision.Image) error {
	place := b.first + k*l.cfg.World
	i, key := place, Key{Seed: l.cfg.Seed, Epoch: l.cfg.Epoch}
	if l.order != nil {
		i = int(l.order[place])
	}
	key.Index = i
	if l.repeats != nil {
		key.Index += int(l.repeats[place]) * l.cfg.Source.Len()
	}
	size := l.height * l.width * 3
	dst := b.Images[k*size:][:size]
	if l.resident != nil {
		*scratch = l.resident.view(i)
		b.Labels[k] = l.cfg.Source.Label(i)
		return l.show(dst, scratch, i, key)
	}
	begun := time.Now()
	img, shown, err := l.load(i)
	l.counters.load.Add(int64(time.Since(begun)))
	if err != nil {
		return err
	}
	defer img.Release()
	b.Labels[k] = l.cfg.Source.Label(shown)
	return l.show(dst, img, shown, key)
}

// load returns image i, or, where that cannot be read and the tolerance allows
// it, the next one in the source that can. Which one that is depends on the files
// only, so every epoch and every resumed run shows the same; and the next one is
// mostly of the same class, as a folder's images are sorted by class.
func (l *Loader) load(i int) (img *vision.Image, shown int, err error) {
	n := l.cfg.Source.Len()
	for range n {
		if img, err = l.cfg.Source.Load(i); err == nil {
			return img, i, nil
		}
		if l.cfg.Tolerance == nil {
			return nil, 0, err
		}
		if err := l.cfg.Tolerance.add(nameOf(l.cfg.Source, i), err); err != nil {
			return nil, 0, err
		}
		i = (i + 1) % n
	}
	return nil, 0, fmt.Errorf("cannot load batches: %w: none of the %d images can be read, beginning with: %w", ErrNoData, n, err)
}

// show writes what becomes of image i.
func (l *Loader) show(dst []byte, img *vision.Image, i int, key Key) error {
	height, width, err := l.resultSize(img, i)
	switch {
	case err != nil:
		return err
	case height != l.height || width != l.width:
		return fmt.Errorf("cannot put %q into a batch: it has %dx%d pixels there, the first image %dx%d; give a size to resize all to",
			nameOf(l.cfg.Source, i), width, height, l.width, l.height)
	case l.cfg.Transform == nil:
		copy(dst, img.Pix)
	default:
		l.cfg.Transform.Apply(dst, img, key)
	}
	return nil
}

// outputSize is the size of the batches' images: what becomes of the first one.
func (l *Loader) outputSize() (height, width int, err error) {
	if l.resident != nil {
		img := l.resident.view(0)
		return l.resultSize(&img, 0)
	}
	img, i, err := l.load(0)
	if err != nil {
		return 0, 0, err
	}
	defer img.Release()
	return l.resultSize(img, i)
}

// resultSize is the size of what becomes of image i.
func (l *Loader) resultSize(img *vision.Image, i int) (height, width int, err error) {
	t := l.cfg.Transform
	if t == nil {
		return img.Height, img.Width, nil
	}
	if v, ok := t.(interface{ Validate(height, width int) error }); ok {
		if err := v.Validate(img.Height, img.Width); err != nil {
			return 0, 0, fmt.Errorf("%w (%q)", err, nameOf(l.cfg.Source, i))
		}
	}
	height, width = t.Size(img.Height, img.Width)
	return height, width, nil
}
