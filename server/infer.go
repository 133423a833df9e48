package server

import (
	"context"
	"fmt"
	"time"

	"github.com/torchlit/torchlit/batching"
)

// encoding is how an image comes.
type encoding uint8

const (
	encoded encoding = iota // a file's bytes: JPEG, PNG, …
	pixels                  // Height×Width×3 uint8 RGB, row-major
	planes                  // 3×Height×Width float32, little-endian, normalised
)

// inference is what a model says of one image.
type inference struct {
	probabilities []float32 // of each class; nobody may change them
	batchSize     int
	timing        timing // without the total
	err           error
}

// infer takes one image all the way, whichever protocol it came by. It returns only when nothing reads data any more.
// id is the request's, for the log.
func (s *Server) infer(ctx context.Context, id string, l lease, f encoding, data []byte, p batching.Priority) (a inference) {
	m := l.served
	var x *shadowed
	defer func() {
		if r := recover(); r != nil {
			s.logPanic(id, r)
			a = inference{err: errPanic}
		}
		x.done(&a)
	}()
	input := m.input(f)
	a.timing.queue, a.timing.decode, a.err = s.prepare(ctx, m, f, data, *input)
	if a.err != nil {
		m.recycle(f, input)
		return a
	}
	x = s.beginShadow(id, l, f, data, input)
	r, err := m.Infer(ctx, *input, p)
	if err != nil {
		// input is not put back: a batch that has begun may still read it.
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		a.err = err
		return a
	}
	if x != nil && x.owner != nil {
		x.recycle()
	} else {
		m.recycle(f, input)
	}
	if len(r.Value) != len(m.Labels) {
		a.err = fmt.Errorf("cannot read the answer of model %q: it has %d probabilities for %d labels; check num_classes in its config.json", m.Name, len(r.Value), len(m.Labels))
		return a
	}
	a.probabilities, a.batchSize = r.Value, r.BatchSize
	a.timing.queue += r.Queue
	a.timing.inference = r.Run
	m.counts.observeAnswer(a.timing, m.Labels[likeliest(r.Value)])
	return a
}

// prepare makes the model's input of data. A tensor needs no decoding: it is copied, because data is the request's and
// a batch may outlive that.
func (s *Server) prepare(ctx context.Context, m *served, f encoding, data, input []byte) (waited, took time.Duration, err error) {
	if f == encoded {
		waited, took, err = s.decodeInto(ctx, m, data, input)
		if err == nil {
			m.counts.decode.Observe(took.Seconds())
		}
		return waited, took, err
	}
	if len(data) != len(input) {
		panic(fmt.Sprintf("BUG: a tensor of %d bytes for an input of %d", len(data), len(input)))
	}
	copy(input, data)
	return 0, 0, nil
}

// input returns a buffer for an image in encoding f; recycle takes it back.
func (m *served) input(f encoding) *[]byte {
	if f == planes {
		return m.planes.Get().(*[]byte)
	}
	return m.pixels.Get().(*[]byte)
}

func (m *served) recycle(f encoding, input *[]byte) {
	if f == planes {
		m.planes.Put(input)
		return
	}
	m.pixels.Put(input)
}
