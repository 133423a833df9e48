package server

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/torchlit/torchlit/batching"
)

// A shadow is a version that gets the images of live requests beside the version that answers them, so that one knows what it
// would have said before anybody depends on it.
//
// It must not be felt. Its images go at low priority, at most Config.MaxShadows at once; when that many are under way an
// image is passed over and counted, never queued. The request does not wait for it: it leaves its
// answer behind and goes. The input is shared, not copied, where both versions prepare an image in the same way: a batch
// only reads it, and whoever is done last gives it back.
//
// What it does take is processor time. A shadow of all traffic doubles the work.

// shadows bounds the images that shadows work on.
type shadows struct {
	places chan struct{}
	stop   context.CancelFunc
	ctx    context.Context
	wg     sync.WaitGroup
}

func newShadows(most int) *shadows {
	ctx, stop := context.WithCancel(context.Background())
	return &shadows{places: make(chan struct{}, most), ctx: ctx, stop: stop}
}

// close ends what is under way, and returns when it has ended.
func (s *shadows) close() {
	s.stop()
	s.wg.Wait()
}

// shadowing is what one request knows of its shadow.
type shadowing struct {
	*served
	into   *comparison
	labels []int // see translate
}

// said is an answer of the version that answers, to be compared.
type said struct {
	label       int // the likeliest
	probability float32
	took        time.Duration
}

// shadowed is one image that a shadow works on. A nil one takes every call.
type shadowed struct {
	list   string    // of the request, for the prediction log
	answer chan said // capacity 1; closed without a value when there was no answer

	owner *served // whose input is shared; nil when the shadow has its own
	f     encoding
	input *[]byte
	users atomic.Int32
}

// recycle is called by each user of a shared input that is sure not to read it any more. After an error a batch may
// still read it: then it is left to the garbage collector.
func (x *shadowed) recycle() {
	if x.users.Add(-1) == 0 {
		x.owner.recycle(x.f, x.input)
	}
}

// beginShadow gives an image to l's shadow, if it has one. input is what was made of data for the version that answers.
func (s *Server) beginShadow(id string, l lease, f encoding, data []byte, input *[]byte) *shadowed {
	sh := l.shadow
	if sh == nil {
		return nil
	}
	same := sh.takesInputOf(l.served, f)
	if !same && f != encoded {
		sh.into.drop(sh.counts, "input")
		return nil
	}
	select {
	case s.shadows.places <- struct{}{}:
	default:
		sh.into.drop(sh.counts, "busy")
		return nil
	}
	sh.again() // the request may be answered before
	x := &shadowed{list: l.list, answer: make(chan said, 1)}
	if same {
		x.owner, x.f, x.input = l.served, f, input
		x.users.Store(2)
	} else {
		data = append([]byte(nil), data...) // data is the request's
	}
	s.shadows.wg.Go(func() {
		defer func() {
			sh.unhold()
			<-s.shadows.places
		}()
		s.shadow(id, sh, x, data)
	})
	return x
}

// takesInputOf reports whether what was prepared for m from an image in encoding f is what this version would prepare.
func (sh *shadowing) takesInputOf(m *served, f encoding) bool {
	a, b := sh.Preprocess, m.Preprocess
	if f == pixels {
		return a.Width == b.Width && a.Height == b.Height
	}
	return a == b
}

// shadow asks the shadow about one image and compares what it says.
func (s *Server) shadow(id string, sh *shadowing, x *shadowed, data []byte) {
	ctx, cancel := context.WithTimeout(s.shadows.ctx, s.cfg.DefaultTimeout)
	defer cancel()
	r, err := s.askShadow(ctx, id, sh, x, data)
	was, ok := <-x.answer
	switch {
	case s.shadows.ctx.Err() != nil: // the server stops
	case err != nil:
		sh.into.fail(sh.counts)
		s.log.Debug("the shadow did not answer", zap.String("request_id", id), zap.String("model", sh.Name), zap.String("version", sh.Version), zap.Error(err))
	case ok:
		sh.into.compare(sh.counts, was, sh.labels, r.Value, r.Queue+r.Run)
		s.logShadow(id, x.list, sh.served, r.Value)
	}
}

func (s *Server) askShadow(ctx context.Context, id string, sh *shadowing, x *shadowed, data []byte) (r batching.Result[[]float32], err error) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked(id, v)
			err = errPanic
		}
	}()
	input := x.input
	if x.owner == nil {
		input = sh.input(encoded)
		if _, _, err := s.prepare(ctx, sh.served, encoded, data, *input); err != nil {
			return r, err
		}
	}
	if r, err = sh.Infer(ctx, *input, batching.Low); err != nil {
		return r, err
	}
	if x.owner != nil {
		x.recycle()
	} else {
		sh.recycle(encoded, input)
	}
	r.Value, _, err = sh.split(r.Value)
	return r, err
}

// done tells the shadow what was answered; a.err != nil says that nothing was.
func (x *shadowed) done(a *inference) {
	if x == nil {
		return
	}
	if a.err == nil {
		top := likeliest(a.probabilities)
		x.answer <- said{top, a.probabilities[top], a.timing.queue + a.timing.inference}
	}
	close(x.answer)
}

// comparison counts how a shadow's answers differ from those that were given.
type comparison struct {
	mu sync.Mutex
	comparisonCounts
}

type comparisonCounts struct {
	since            time.Time
	images, disagree uint64
	failed, dropped  uint64
	difference       float64 // sum over images
	took, answered   time.Duration
}

func newComparison() *comparison {
	return &comparison{comparisonCounts: comparisonCounts{since: time.Now()}}
}

func (c *comparison) compare(m *ModelMetrics, was said, labels []int, probabilities []float32, took time.Duration) {
	top, at := likeliest(probabilities), was.label
	if labels != nil {
		at = labels[was.label]
	}
	p := float32(0) // of a label that the shadow does not know
	if at >= 0 {
		p = probabilities[at]
	}
	difference := math.Abs(float64(was.probability) - float64(p))
	c.mu.Lock()
	c.images++
	if at != top {
		c.disagree++
	}
	c.difference += difference
	c.took += took
	c.answered += was.took
	c.mu.Unlock()
	m.all.shadowCompared(m, at != top, difference, took)
}

func (c *comparison) fail(m *ModelMetrics) {
	c.mu.Lock()
	c.failed++
	c.mu.Unlock()
	m.all.shadowImages.WithLabelValues(m.name, m.version, "failed").Inc()
}

func (c *comparison) drop(m *ModelMetrics, reason string) {
	c.mu.Lock()
	c.dropped++
	c.mu.Unlock()
	m.all.shadowDropped.WithLabelValues(m.name, m.version, reason).Inc()
}

func (c *comparison) snapshot() comparisonCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.comparisonCounts
}
