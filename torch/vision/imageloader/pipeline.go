package imageloader

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/tool/tgz"
	"github.com/torchlit/torchlit/torch/vision/transforms"
	"github.com/torchlit/torchlit/vision"
)

// settings are New's arguments.
type settings struct {
	archive         string
	vocab           map[string]int
	each, batch     *transforms.ComposeTransformer
	mbSize, bufSize int
	seed            int64
	pin, gray       bool
}

// pipeline makes batches in the background:
//
//	read ──files──────────────────────────> assemble ──batches──> Scan
//	  └───undecoded──> decode (several) ──┘
//
// Reading a compressed archive is sequential, and so is shuffling, if a seed is to
// give the same order every time. Decoding is where the time goes. So each file
// takes two ways at once: through files it comes to assemble in its place, and
// through undecoded to whichever decoder is free; assemble waits for the file at
// the front to be ready. Transforms run in assemble alone, since a program may
// have written its own ones for one goroutine, as they were in gotorch.
//
// Every channel is bounded, and every send ends when ctx does. A channel is closed
// by its only sender. Whatever the reason to end, read closes files and undecoded,
// the others run out of input, and the last act of assemble is to close batches.
// Nothing refers to the ImageLoader, so that a dropped one can be noticed.
type pipeline struct {
	settings
	r    *tgz.Reader
	ctx  context.Context
	stop context.CancelFunc

	files     chan *file
	undecoded chan *file
	batches   chan minibatch

	err   error // set before batches is closed
	tasks sync.WaitGroup
}

// How far the stages run ahead of each other.
const (
	maxDecoders  = 8 // more would starve the training
	filesAhead   = 2 // files read or decoded and not yet transformed, for each decoder
	batchesAhead = 2 // batches ready and not yet scanned
)

// maxFile is the largest file that is read into memory, far above any picture that
// vision would decode.
const maxFile = 256 << 20

// file is one picture of the archive. When ready is closed, either image or err is
// set.
type file struct {
	name  string
	label int64
	data  []byte
	ready chan struct{}
	image *vision.Image
	err   error
}

func newPipeline(s settings, r *tgz.Reader) *pipeline {
	s.vocab = maps.Clone(s.vocab) // the caller may go on changing his
	decoders := min(runtime.GOMAXPROCS(0), maxDecoders)
	p := &pipeline{
		settings:  s,
		r:         r,
		files:     make(chan *file, filesAhead*decoders),
		undecoded: make(chan *file, decoders),
		batches:   make(chan minibatch, batchesAhead),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.tasks.Go(p.read)
	for range decoders {
		p.tasks.Go(p.decode)
	}
	p.tasks.Go(p.assemble)
	return p
}

// close ends everything and returns the error that had ended it before, if any.
func (p *pipeline) close() error {
	p.stop()
	for b := range p.batches {
		b.close()
	}
	p.tasks.Wait()
	return p.err
}

// send gives up when the pipeline ends.
func send[T any](ctx context.Context, to chan<- T, v T) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *pipeline) read() {
	defer p.r.Close()
	defer close(p.undecoded)
	defer close(p.files)
	for {
		header, err := p.r.Next()
		if err == io.EOF {
			return
		}
		if err == nil && header.Typeflag != tar.TypeReg {
			continue
		}
		f := &file{ready: make(chan struct{}), err: err}
		if err == nil {
			p.readFile(f, header)
		}
		if f.err != nil {
			close(f.ready)
			send(p.ctx, p.files, f)
			return
		}
		if !send(p.ctx, p.files, f) || !send(p.ctx, p.undecoded, f) {
			return
		}
	}
}

func (p *pipeline) readFile(f *file, header *tar.Header) {
	f.name = header.Name
	class := classOf(f.name)
	label, known := p.vocab[class]
	if !known {
		f.err = fmt.Errorf("its class %q is not in the vocabulary", class)
		return
	}
	f.label = int64(label)
	if header.Size > maxFile {
		f.err = fmt.Errorf("its %d bytes are more than the limit of %d", header.Size, maxFile)
		return
	}
	// Memory grows with what is there, whatever the header promises.
	f.data, f.err = io.ReadAll(p.r)
}

func (p *pipeline) decode() {
	for f := range p.undecoded {
		if f.err = p.ctx.Err(); f.err == nil {
			f.image, f.err = vision.Decode(f.data, vision.Limits{})
		}
		f.data = nil
		close(f.ready)
	}
}

// sample is a picture on which the steps before ToTensor have run.
type sample struct {
	image *vision.Image
	gray  bool
	label int64
}

// assemble takes the files in the archive's order and makes batches of them.
func (p *pipeline) assemble() {
	defer close(p.batches)
	defer p.stop()
	lots := rand.New(rand.NewPCG(uint64(p.seed), 0))
	buffer := newShuffle(p.bufSize, p.seed)
	var batch []sample
	add := func(s sample) bool {
		if batch = append(batch, s); len(batch) < p.mbSize {
			return true
		}
		full := batch
		batch = nil
		return p.deliver(full)
	}
	for f := range p.files {
		s, err := p.sample(lots, f)
		if err != nil {
			p.fail(f, err)
			return
		}
		if s, ok := buffer.exchange(s); ok && !add(s) {
			return
		}
	}
	for _, s := range buffer.rest() {
		if !add(s) {
			return
		}
	}
	if len(batch) > 0 {
		p.deliver(batch)
	}
}

// fail keeps the reason why a file ended the reading, unless it is that the caller
// has ended it.
func (p *pipeline) fail(f *file, err error) {
	switch {
	case p.ctx.Err() != nil:
	case f.name == "":
		p.err = fmt.Errorf("cannot read archive %q: %w", p.archive, err)
	default:
		p.err = fmt.Errorf("cannot load %q of archive %q: %w", f.name, p.archive, err)
	}
}

// sample waits for a file to be decoded and transforms it.
func (p *pipeline) sample(lots *rand.Rand, f *file) (s sample, err error) {
	select {
	case <-f.ready:
	case <-p.ctx.Done():
		return s, p.ctx.Err()
	}
	if f.err != nil {
		return s, f.err
	}
	defer catch(&err)
	image := f.image
	if p.gray {
		image = transforms.Grayscale().Run(image).Image
	}
	switch out := p.each.RunWith(lots, image).(type) {
	case *vision.Image:
		return sample{out, p.gray, f.label}, nil
	case transforms.Gray:
		return sample{out.Image, true, f.label}, nil
	default:
		return s, fmt.Errorf("the transforms before ToTensor return a %T, not a picture", out)
	}
}

// catch turns a panic into an error. In a goroutine of ours nobody else could
// recover it, and transforms panic when a picture is too small, say.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case error:
		*err = r
	default:
		*err = fmt.Errorf("a transform panicked: %v", r)
	}
}

// deliver makes a batch of samples and passes it on, unless it is too late for it.
func (p *pipeline) deliver(samples []sample) bool {
	if p.ctx.Err() != nil {
		return false
	}
	b, err := p.collate(samples)
	if err != nil {
		p.err = fmt.Errorf("cannot make a batch of archive %q: %w", p.archive, err)
		return false
	}
	if !send(p.ctx, p.batches, b) {
		b.close()
		return false
	}
	return true
}

// minibatch is a batch as Minibatch returns it.
type minibatch struct{ data, label torch.Tensor }

func (b minibatch) close() {
	b.data.Close()
	b.label.Close()
}

func (p *pipeline) collate(samples []sample) (b minibatch, err error) {
	defer catch(&err)
	labels := make([]int64, len(samples))
	for i, s := range samples {
		labels[i] = s.label
	}
	torch.Scope(func(keep func(torch.Tensor) torch.Tensor) {
		out := p.batch.Run(pictures(samples))
		data, ok := out.(torch.Tensor)
		if !ok {
			err = fmt.Errorf("the transforms end in a %T, not in a tensor", out)
			return
		}
		label := torch.FromSlice(labels, int64(len(labels)))
		if p.pin {
			data, label = pinned(data), pinned(label)
		}
		b = minibatch{keep(data), keep(label)}
	})
	return b, err
}

// pinned copies a tensor to memory that CUDA copies from directly. It panics where
// there is no CUDA.
func pinned(t torch.Tensor) torch.Tensor {
	out := torch.EmptyWith(t.Shape(), torch.Options{DType: torch.DType(t.Dtype()), PinMemory: true})
	out.CopyI(t)
	return out
}

// pictures is what ToTensor makes one tensor of.
func pictures(samples []sample) interface{} {
	first := samples[0]
	same := transforms.Resize(first.image.Height, first.image.Width)
	if first.gray {
		images := make([]transforms.Gray, len(samples))
		for i, s := range samples {
			images[i] = transforms.Gray{Image: same.Run(s.image)}
		}
		return images
	}
	images := make([]*vision.Image, len(samples))
	for i, s := range samples {
		images[i] = same.Run(s.image)
	}
	return images
}
