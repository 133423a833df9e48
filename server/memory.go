package server

import (
	"net"
	"sync/atomic"
)

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

// Fits reports whether n bytes more would do for now.
func (b *byteBudget) Fits(n int64) bool { return b.used.Load()+n <= b.limit }

// Add counts n bytes more, or less, whether they fit or not.
func (b *byteBudget) Add(n int64) { b.used.Add(n) }

// room reports whether n bytes more may be taken, beside all that requests hold.
func (s *Server) room(n int64) bool {
	return s.cfg.Room == nil || s.cfg.Room(s.bodies.used.Load()+s.decoding.Used(), n)
}

// guardDecoding is asked before a picture's memory is taken. The body that it came in is counted.
func (s *Server) guardDecoding(n int64) error {
	if s.room(n) {
		return nil
	}
	return errPressure
}

// requestMemory is the budget of bodies, and of the process.
type requestMemory struct{ *Server }

func (m requestMemory) Fits(n int64) bool { return m.bodies.Fits(n) && m.room(n) }
func (m requestMemory) Add(n int64)       { m.bodies.Add(n) }

// RequestMemory is Config.BodyMemory and Room, for another front end that reads requests.
func (s *Server) RequestMemory() interface {
	Fits(n int64) bool
	Add(n int64)
} {
	return requestMemory{s}
}

// RefusedForMemory counts a request that such a front end has turned away.
func (s *Server) RefusedForMemory() {
	e := public(errBodyMemory)
	if s.bodies.Fits(1) {
		e = public(errPressure)
	}
	s.countRejected(nil, e)
	s.cfg.Metrics.observeRequest(&exchange{asks: true}, e.status)
}

// Limit bounds the connections of another front end's listener as the server's own are, each kind by itself. What is too much is
// closed without a word. The listener returned owns ln.
func (s *Server) Limit(ln net.Listener) net.Listener {
	return &listener{Listener: ln, set: newConnSet(&s.cfg), trouble: s.newTrouble(), reject: func(nc net.Conn, e *apiError) {
		s.cfg.Metrics.reject(nil, e.reason)
		_ = nc.Close()
	}}
}
