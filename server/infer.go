package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/monitor"
)

// encoding is how an image comes.
type encoding uint8

const (
	encoded encoding = iota // a file's bytes: JPEG, PNG, …
	pixels                  // Height×Width×3 uint8 RGB, row-major
	planes                  // 3×Height×Width float32, little-endian, normalised
	halves                  // the same in float16
	brains                  // the same in bfloat16
)

// inference is what a model says of one image.
type inference struct {
	probabilities []float32 // of each class; nobody may change them
	embedding     []float32 // likewise; nil where the model gives none
	batchSize     int       // of the run that made them
	timing        timing    // without the total
	err           error

	// For the prediction log; empty without one.
	image   monitor.Image
	picture *monitor.Picture
}

// infer takes one image all the way, whichever protocol it came by. It returns only when nothing reads data any more.
// id is the request's, for the log.
func (s *Server) infer(ctx context.Context, id string, l lease, f encoding, data []byte, p batching.Priority) inference {
	if s.tracer == nil {
		return s.inferUntraced(ctx, id, l, f, data, p)
	}
	begin := time.Now()
	a := s.inferUntraced(ctx, id, l, f, data, p)
	s.traceInference(ctx, id, begin, &a)
	return a
}

func (s *Server) inferUntraced(ctx context.Context, id string, l lease, f encoding, data []byte, p batching.Priority) inference {
	if s.shared != nil {
		return s.shared.infer(ctx, id, l, f, data, p)
	}
	return s.inferAlone(ctx, id, l, f, data, p)
}

// inferAlone is infer for an image whose answer nobody else can use.
func (s *Server) inferAlone(ctx context.Context, id string, l lease, f encoding, data []byte, p batching.Priority) inference {
	r, err := s.makeReady(ctx, id, l, f, data, p)
	if err != nil {
		return inference{timing: r.timing, err: err}
	}
	return s.ask(ctx, r, p)
}

// ready is an image on its way to the model. It does not point into the request.
type ready struct {
	id     string
	lease  lease
	f      encoding
	input  *[]byte
	shadow *shadowed
	timing timing // so far
	image  monitor.Image
}

// makeReady makes the model's input of data, and shows it to the model's shadow. After nil, ask must follow.
//
// Whoever will be refused for load hears it before his image is decoded: that is most of the work, and under overload nearly all
// that is wasted. The model is asked again when the image is ready, but by then it seldom says no, as those that are being
// decoded were counted.
func (s *Server) makeReady(ctx context.Context, id string, l lease, f encoding, data []byte, p batching.Priority) (r ready, err error) {
	making := f == encoded && l.Refusal != nil
	defer func() {
		if v := recover(); v != nil {
			s.panicked(id, v)
			err = errPanic
		}
		if making && err != nil {
			l.making.Add(-1)
		}
	}()
	if making {
		if err := l.Refusal(ctx, p, int(l.making.Add(1))-1, s.decode.backlog()); err != nil {
			return r, whyOver(ctx, err)
		}
	}
	r = ready{id: id, lease: l, f: f, input: l.input(f)}
	r.timing.waited, r.timing.decode, err = s.prepare(ctx, l.served, f, data, *r.input)
	r.timing.queue = r.timing.waited
	if err != nil {
		l.recycle(f, r.input)
		return r, err
	}
	r.image = s.imageOf(f, data)
	r.shadow = s.beginShadow(id, l, f, data, r.input)
	return r, nil
}

// ask asks the model.
func (s *Server) ask(ctx context.Context, r ready, p batching.Priority) (a inference) {
	m, x, infer := r.lease.served, r.shadow, r.lease.Infer
	if r.f == encoded && m.Refusal != nil {
		m.making.Add(-1)
		if m.Asked != nil {
			infer = m.Asked
		}
	}
	defer func() {
		if v := recover(); v != nil {
			s.panicked(r.id, v)
			a = inference{err: errPanic}
		}
		x.done(&a)
	}()
	a.timing = r.timing
	said, err := infer(ctx, *r.input, p)
	if err != nil {
		// The input is not put back: a batch that has begun may still read it.
		a.err = whyOver(ctx, err)
		return a
	}
	a.image, a.picture = s.look(&r)
	if x != nil && x.owner != nil {
		x.recycle()
	} else {
		m.recycle(r.f, r.input)
	}
	if a.probabilities, a.embedding, err = m.split(said.Value); err != nil {
		a.err = fmt.Errorf("cannot read the answer of model %q: %w; check num_classes in its config.json", m.Name, err)
		return a
	}
	a.batchSize = said.BatchSize
	a.timing.queue += said.Queue
	a.timing.inference = said.Run
	m.counts.observeAnswer(a.timing)
	m.predicted(likeliest(a.probabilities))
	return a
}

// whyOver is the end of the request where that is what err came of.
func whyOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// prepare makes the model's input of data. A tensor needs no decoding: it is copied, because data is the request's and
// a batch may outlive that. 16-bit floats become float32 on the way.
func (s *Server) prepare(ctx context.Context, m *served, f encoding, data, input []byte) (waited, took time.Duration, err error) {
	if f == encoded {
		waited, took, err = s.decodeInto(ctx, m, data, input)
		if err == nil {
			m.counts.observeDecode(took)
		}
		return waited, took, err
	}
	n := len(input)
	if f == halves || f == brains {
		n /= 2
	}
	if len(data) != n {
		panic(fmt.Sprintf("BUG: a tensor of %d bytes for an input of %d", len(data), n))
	}
	switch f {
	case halves:
		widenFloat16(input, data)
	case brains:
		widenBFloat16(input, data)
	default:
		copy(input, data)
	}
	return 0, 0, nil
}

// input returns a buffer for an image in encoding f; recycle takes it back.
func (m *served) input(f encoding) *[]byte { return m.inputs(f).Get().(*[]byte) }

func (m *served) recycle(f encoding, input *[]byte) { m.inputs(f).Put(input) }

func (m *served) inputs(f encoding) *sync.Pool {
	if f == encoded || f == pixels {
		return &m.pixels
	}
	return &m.planes
}
