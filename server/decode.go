package server

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/vision"
)

// decodePool bounds how many images are decoded at once, and how many may wait for that. The goroutine that has a
// place decodes itself: handing the bytes to another would only add two switches. Places are given in the order in which
// they were asked for, so whoever comes can be told at once that his turn will be too late.
type decodePool struct {
	places   chan struct{} // one token for each image being decoded
	waiting  atomic.Int64
	maxQueue int64
	takes    atomic.Int64 // nanoseconds that an image takes, as a moving mean; 0: not known
}

func newDecodePool(workers, maxQueue int) *decodePool {
	return &decodePool{places: make(chan struct{}, workers), maxQueue: int64(maxQueue)}
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
	wait := time.Duration(n * p.takes.Load() / int64(cap(p.places)))
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

func (p *decodePool) leave() { <-p.places }

// took notes how long an image took. Of several that end at once one may be lost.
func (p *decodePool) took(d time.Duration) {
	mean := p.takes.Load()
	if mean == 0 {
		mean = int64(d)
	}
	p.takes.Store(mean + (int64(d)-mean)/16)
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
	img, err := vision.Decode(data, m.Limits)
	if err != nil {
		return begin.Sub(start), time.Since(begin), err
	}
	defer img.Release()
	err = m.Preprocess.Apply(img, m.Resizer, pixels)
	took = time.Since(begin)
	s.decode.took(took)
	return begin.Sub(start), took, err
}
