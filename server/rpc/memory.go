package rpc

import "google.golang.org/grpc/mem"

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
