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
// returns an error that says what is left; Close then cuts it off. A second Drain, meanwhile, ends the grace time and waits likewise,
// as does Hasten.
func (s *Server) Drain(ctx context.Context) error {
	first := !s.draining.Swap(true)
	if first && s.cfg.DrainGrace > 0 {
		s.log.Info("draining: not ready any more, still serving", zap.Duration("grace", s.cfg.DrainGrace))
		select {
		case <-time.After(s.cfg.DrainGrace):
		case <-s.hasten:
		case <-ctx.Done():
		}
	}
	if !first {
		s.Hasten()
	}
	s.stopAccepting()
	return s.waitDrained(ctx)
}

// Hasten ends the grace time of a drain, also of one to come. What was accepted is answered all the same.
func (s *Server) Hasten() { s.hastened.Do(func() { close(s.hasten) }) }

// handOverPatience is how long a server that was replaced lets kept connections come back for an answer to close them behind.
const handOverPatience = 2 * time.Second

// HandOver is Drain for a server whose listening sockets others accept from already: no load balancer need look away, so it stops
// accepting at once. Connections that clients keep are closed behind their next answer, and those on which none is asked for within
// two seconds as Drain closes idle ones.
func (s *Server) HandOver(ctx context.Context) error {
	s.draining.Store(true)
	s.stopAccepting()
	s.serving.Wait()
	patience := time.NewTimer(handOverPatience)
	defer patience.Stop()
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for s.conns.count() > 0 {
		select {
		case <-tick.C:
			continue
		case <-patience.C:
		case <-s.hasten:
		case <-ctx.Done():
		}
		break
	}
	return s.waitDrained(ctx)
}

// waitDrained returns when the last connection is closed.
func (s *Server) waitDrained(ctx context.Context) error {
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
