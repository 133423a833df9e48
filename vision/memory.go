package vision

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Memory bounds the bytes that the decoding of many pictures takes together. A bound on pictures alone does not: a file of a few
// kilobytes may hold 64 million pixels, and a server decodes as many at once as it has processors.
//
// Before a picture's memory is allocated its need is worked out from the header, for the decoder's own buffers as well, and taken
// in one piece; who finds too little free waits, in the order of coming. Nobody waits while he holds a part, so those who have theirs always
// finish, and the others come to their turn. What is taken is given back when the picture is released.
//
// Its methods may be called by many goroutines at once.
type Memory struct {
	limit int64
	guard func(n int64) error // may be nil
	take  func(n int64) error
	give  func(n int64)
	used  atomic.Int64
}

// NewMemory returns a bound of so many bytes, which must be positive.
func NewMemory(limit int64) *Memory {
	free := semaphore.NewWeighted(limit)
	take := func(n int64) error {
		if err := free.Acquire(context.Background(), n); err != nil {
			panic("BUG: vision: a wait without an end has ended: " + err.Error())
		}
		return nil
	}
	return NewMemoryElsewhere(limit, take, free.Release)
}

// NewMemoryElsewhere returns a bound of so many bytes that are counted elsewhere, as in another process: take is called for n bytes, at
// most limit, and returns when they may be used, or the error that comes of the picture; give is called when they no longer are. Many
// goroutines may call both at once if many decode.
func NewMemoryElsewhere(limit int64, take func(n int64) error, give func(n int64)) *Memory {
	return &Memory{limit: limit, take: take, give: give}
}

// Guard has f asked before n bytes are taken; its error is what comes of the picture. It must be called before the first use.
func (m *Memory) Guard(f func(n int64) error) { m.guard = f }

// Take waits for n bytes, at most Limit. Give must follow, unless it fails with an error of the guard; who waits for some must hold no
// others.
func (m *Memory) Take(n int64) error {
	if n < 0 || n > m.limit {
		panic(fmt.Sprintf("BUG: vision: %d bytes of %d were asked for", n, m.limit))
	}
	if m.guard != nil {
		if err := m.guard(n); err != nil {
			return err
		}
	}
	if err := m.take(n); err != nil {
		return err
	}
	m.used.Add(n)
	return nil
}

// Give gives back what Take took.
func (m *Memory) Give(n int64) {
	m.used.Add(-n)
	m.give(n)
}

// Used is how many bytes are taken.
func (m *Memory) Used() int64 { return m.used.Load() }

// Limit is what NewMemory was given.
func (m *Memory) Limit() int64 { return m.limit }

// hold is what one picture has taken. The zero value is nothing.
type hold struct {
	of *Memory
	n  int64
}

// take waits for n bytes. Without a bound it returns at once.
func (lim Limits) take(format string, n int64) (hold, error) {
	m := lim.Memory
	if m == nil {
		return hold{}, nil
	}
	if n > m.limit {
		return hold{}, &decodeError{ErrTooLarge, fmt.Sprintf("cannot decode %s: it takes %d MB of memory to decode, and the limit is %d MB", format, n>>20, m.limit>>20)}
	}
	if err := m.Take(n); err != nil {
		return hold{}, err
	}
	return hold{m, n}, nil
}

// release gives the bytes back; a second call does nothing.
func (h *hold) release() {
	if h.of == nil {
		return
	}
	h.of.Give(h.n)
	*h = hold{}
}

// end gives h to the decoded picture, which releases it with its pixels, or releases it at once if there is none.
func (h hold) end(m *Image, err error) (*Image, error) {
	if err != nil {
		h.release()
		return nil, err
	}
	m.held = h
	return m, nil
}
