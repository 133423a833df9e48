package server

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// drainTick is how often a drain looks for connections that have become idle.
const drainTick = 10 * time.Millisecond

// Drain stops the server without losing a request, and returns when the last one is answered.
//
// The promise: a request whose connection was accepted gets its answer. fasthttp's own Shutdown cannot keep it alone,
// because it closes the listener first, when a load balancer still believes in us, and then closes idle connections,
// on some of which a request is just arriving. So the order here is another:
//
//  1. From now on /readyz says no, and every reply carries "Connection: close". Serving goes on for DrainGrace: load
//     balancers look away, and clients that keep connections alive find theirs closed behind an answer, which is the
//     one moment at which HTTP/1.1 can close a connection without a race.
//  2. The listener accepts whoever waits in its backlog, and closes when nobody does (listener.Accept).
//  3. A connection that is still idle is closed, but only after a last look for bytes (conn.Read): a request that
//     arrived in the same instant is served. New connections get a moment to send their first request.
//  4. When no connection is open, no request is under way.
//
// The batchers must keep working until Drain has returned; drain and close them after it. When ctx ends first, Drain
// returns an error that says what is left; Close then cuts it off. A second Drain, meanwhile, ends the grace time and waits likewise.
func (s *Server) Drain(ctx context.Context) error {
	if s.draining.Load() || s.cfg.DrainGrace <= 0 {
		return s.DrainAfter(ctx, ended)
	}
	s.log.Info("draining: not ready any more, still serving", zap.Duration("grace", s.cfg.DrainGrace))
	grace := time.NewTimer(s.cfg.DrainGrace)
	defer grace.Stop()
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-grace.C:
		case <-ctx.Done():
		}
	}()
	return s.DrainAfter(ctx, over)
}

// ended is a grace time that is over.
var ended = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// DrainAfter is Drain with a grace time that ends when that channel is closed.
func (s *Server) DrainAfter(ctx context.Context, grace <-chan struct{}) error {
	s.draining.Store(true)
	select {
	case <-grace:
	case <-ctx.Done():
	}
	s.stopAccepting()
	s.serving.Wait()
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for {
		left := s.conns.nudgeIdle()
		if left == 0 {
			s.log.Info("drained: every accepted request is answered")
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot finish the drain, %d connections are still open: %w; allow it more time", left, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
