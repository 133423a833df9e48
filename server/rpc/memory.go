package rpc

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// Memory is a bound on the bytes of messages that all calls hold together, as far as they have come.
type Memory interface {
	Fits(n int64) bool // whether n bytes more would do
	Add(n int64)       // counts n bytes more, or less
}

// meteredPool counts what gRPC reads into. A message's bytes are counted from the frame that brings them to the end of the call's
// decoding. Nothing can be refused here, in the midst of a frame: see admit.
type meteredPool struct {
	mem.BufferPool
	memory Memory
}

// Get implements mem.BufferPool.
func (p *meteredPool) Get(n int) *[]byte {
	b := p.BufferPool.Get(n)
	p.memory.Add(int64(cap(*b)))
	return b
}

// Put implements mem.BufferPool.
func (p *meteredPool) Put(b *[]byte) {
	p.memory.Add(-int64(cap(*b)))
	p.BufferPool.Put(b)
}

var errNoMemory = status.Error(codes.Unavailable, "The server is busy: it holds as much of other requests as it may. Try again shortly.")

// admit refuses a call by its headers while there is no memory for another message. Those that were admitted may bring the largest message
// each, so the bound can be passed by as many of these as there are calls under way.
func (s *Server) admit(ctx context.Context, _ *tap.Info) (context.Context, error) {
	if s.memory.Fits(1) {
		return ctx, nil
	}
	s.refused()
	return nil, errNoMemory
}
