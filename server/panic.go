package server

import (
	"runtime/debug"

	"go.uber.org/zap"
)

// fasthttp lets a panic of a handler end the process, and Go that of any goroutine. So every way into code that this package does not
// hold in its own hands ends a panic: serveRequest for handlers, inferLogged for the goroutines of a request's images, the
// decode crew for decoders, package rpc for gRPC. What only looks on at a request, its span, its line in the access log, its
// record in the prediction log, is contained by itself: the request is answered as if nothing had been.

// panicked counts and logs a panic that was contained. id is the request's, "" when it was no request's.
func (s *Server) panicked(id string, value any) {
	s.cfg.Metrics.faults.panics.Inc()
	s.log.Error("panic while serving; it was contained, and its request answered with an error if it needed what failed",
		zap.String("request_id", id), zap.Any("panic", value), zap.ByteString("stack", debug.Stack()))
}

// contain, when deferred, ends a panic of what only looks on at the request.
func (s *Server) contain(id string) {
	if v := recover(); v != nil {
		s.panicked(id, v)
	}
}

// Panicked is told by another front end of a panic that it contained.
func (s *Server) Panicked(value any) { s.panicked("", value) }
