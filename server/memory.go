package server

import "sync/atomic"

// byteBudget bounds the bytes that all requests together hold in bodies. What is read is counted, not what a Content-Length announces: a
// client that announces much and sends little takes no room from others, and one that goes on sending when there is none is refused.
type byteBudget struct {
	limit int64
	used  atomic.Int64
}

// take counts n bytes more, unless they are too many.
func (b *byteBudget) take(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *byteBudget) give(n int64) { b.used.Add(-n) }

// fits reports whether n bytes more would do for now.
func (b *byteBudget) fits(n int64) bool { return b.used.Load()+n <= b.limit }
