package server

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/vision"
)

// Decoder makes models' input of encoded images as vision.Preprocess.Read does. Many goroutines call it at once, DecodeWorkers at most. It
// uses data and dst until it returns, and not longer. Its errors are vision's, isolate's, or the context's.
type Decoder interface {
	Read(ctx context.Context, p *vision.Preprocess, data []byte, lim vision.Limits, resize vision.Resizer, dst []byte) error
}

// decodePool bounds how many images are decoded at once, and how many may wait for that. Places are given in the order in
// which they were asked for, so whoever comes can be told at once that his turn will be too late. The goroutine that has a place
// decodes a small image itself, and has others decoded by the decodeCrew.
//
// Whoever decodes takes a processor from a runner that computes on it, and the other threads of that runner then wait for it in a loop. So no more
// images are decoded at once than the runners need: enough to make images twice as fast as the models take them. On two cores that run a
// ResNet18 in fp32, at 60 images a second, one worker is plenty; where a GPU takes thousands, all work.
type decodePool struct {
	places   chan struct{} // one token for each image being decoded, and one for each place held back
	held     atomic.Int64  // places held back
	waiting  atomic.Int64
	maxQueue int64
	takes    atomic.Int64   // nanoseconds that an image takes, as a moving mean; 0: not known
	wanted   func() float64 // images a second that the models can take; 0: not known
}

func newDecodePool(workers, maxQueue int, wanted func() float64) *decodePool {
	return &decodePool{places: make(chan struct{}, workers), maxQueue: int64(maxQueue), wanted: wanted}
}

// ahead is how much faster images are decoded than the models take them.
const ahead = 2

// useful is how many places the models have use for; all of them until it is known how long both take.
func (p *decodePool) useful() int64 {
	most := int64(cap(p.places))
	need := ahead * p.wanted() * time.Duration(p.takes.Load()).Seconds()
	if need == 0 {
		return most
	}
	return min(most, int64(math.Ceil(need)))
}

// enter waits for a place. Leave must follow if it returns nil.
func (p *decodePool) enter(ctx context.Context) error {
	select {
	case p.places <- struct{}{}:
		return nil
	default:
	}
	defer p.waiting.Add(-1)
	n := p.waiting.Add(1)
	wait := p.wait(n)
	if n > p.maxQueue {
		return &batching.RetryError{Reason: errDecodeBusy, RetryAfter: wait}
	}
	if deadline, ok := ctx.Deadline(); ok {
		if late := wait - time.Until(deadline); late > 0 {
			return &batching.RetryError{Reason: errDecodeLate, RetryAfter: late}
		}
	}
	select {
	case p.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wait is how long the last of n takes that wait for a place.
func (p *decodePool) wait(n int64) time.Duration {
	return time.Duration(n * p.takes.Load() / (int64(cap(p.places)) - p.held.Load()))
}

// backlog is how long whoever comes now will wait for a place.
func (p *decodePool) backlog() time.Duration { return p.wait(p.waiting.Load()) }

// leave gives the place to the next one; or holds it back, or gives one more, where the models need less or more than there are.
func (p *decodePool) leave() {
	back := int64(cap(p.places)) - p.useful()
	held := p.held.Load()
	switch {
	case held < back && p.held.CompareAndSwap(held, held+1):
		return // this place stays taken
	case held > back && p.held.CompareAndSwap(held, held-1):
		<-p.places // one that was held back
	}
	<-p.places
}

// took notes how long an image took. Of several that end at once one may be lost.
func (p *decodePool) took(d time.Duration) {
	mean := p.takes.Load()
	if mean == 0 {
		mean = int64(d)
	}
	p.takes.Store(mean + (int64(d)-mean)/16)
}

// takes is how many images a second the models can take together; 0 unless it is known of all.
func (s *Server) takes() (sum float64) {
	// It is asked while a place of the decode pool is given back, which must not fail.
	defer func() {
		if v := recover(); v != nil {
			s.panicked("", v)
			sum = 0
		}
	}()
	for _, m := range s.catalog.Load().models {
		if m.Rate == nil {
			return 0
		}
		rate := m.Rate()
		if rate == 0 {
			return 0
		}
		sum += rate
	}
	return sum
}

// decodeInto decodes data and writes the model's input to pixels, within the pool's bounds. It returns how long it
// waited for a place and how long the work took.
func (s *Server) decodeInto(ctx context.Context, m *served, data, pixels []byte) (waited, took time.Duration, err error) {
	start := time.Now()
	if err := s.decode.enter(ctx); err != nil {
		return time.Since(start), 0, err
	}
	defer s.decode.leave()
	begin := time.Now()
	if ctx.Err() != nil { // it may have ended in the same instant
		return begin.Sub(start), 0, context.Cause(ctx)
	}
	err = s.decoders.read(ctx, m, data, pixels)
	took = time.Since(begin)
	if err == nil { // what is no image says nothing of how long one takes
		s.decode.took(took)
	}
	return begin.Sub(start), took, err
}
