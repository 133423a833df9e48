package server

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// parseFailed answers requests that fasthttp could not read; no handler ran for them. fasthttp closes the connection
// behind the reply.
func (s *Server) parseFailed(ctx *fasthttp.RequestCtx, err error) {
	ex := &exchange{start: time.Now()}
	ex.id, ex.idGiven = requestIDOf(ctx)
	ctx.SetUserValue(exchangeKey, ex)
	ctx.Response.Reset()
	s.cfg.Metrics.inflight.Inc() // finish takes it back
	s.writeError(ctx, s.readError(err))
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		readOn(ctx)
	}
	s.finish(ctx, ex)
}

// readError turns what fasthttp says of a request into what the client is told.
func (s *Server) readError(err error) *apiError {
	var tooLong *fasthttp.ErrSmallBuffer
	var netErr net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return &apiError{
			status: fasthttp.StatusRequestEntityTooLarge, code: "body_too_large", reason: "body_too_large",
			sentence: fmt.Sprintf("The request is larger than the %s that this server accepts.", humanBytes(s.cfg.MaxBodyBytes)),
		}
	case errors.As(err, &tooLong):
		return &apiError{
			status: fasthttp.StatusRequestHeaderFieldsTooLarge, code: "headers_too_large", reason: "headers_too_large",
			sentence: fmt.Sprintf("The request's headers are larger than the %s that this server accepts.", humanBytes(s.cfg.MaxHeaderBytes)),
		}
	case errors.As(err, &netErr) && netErr.Timeout():
		return &apiError{
			status: fasthttp.StatusRequestTimeout, code: "request_timeout", reason: "slow_request",
			sentence: fmt.Sprintf("The request came too slowly: its headers have %s, and all of it %s.", s.cfg.HeaderTimeout, s.cfg.ReadTimeout),
		}
	}
	return badRequest("bad_request", "This is not a complete HTTP request.")
}

// humanBytes writes a size limit the way a person would.
func humanBytes(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// rejectConn tells a connection that is one too many so, as far as that can be done without waiting for it.
func (s *Server) rejectConn(nc net.Conn, e *apiError) {
	s.cfg.Metrics.reject(nil, e.reason)
	s.cfg.Metrics.observeRequest(&exchange{asks: true}, e.status)
	if s.cfg.TLS != nil { // a sentence would cost a handshake
		_ = nc.Close()
		return
	}
	var resp fasthttp.Response
	resp.SetStatusCode(e.status)
	resp.SetConnectionClose()
	resp.Header.Set("X-Request-Id", newRequestID())
	resp.Header.Set("Server-Timing", string(appendServerTiming(nil, timing{})))
	resp.Header.Set(fasthttp.HeaderRetryAfter, "1")
	resp.Header.SetContentType("application/json")
	resp.SetBodyRaw(appendError(nil, e))
	_ = nc.SetWriteDeadline(time.Now().Add(rejectWithin))
	w := bufio.NewWriter(nc)
	if resp.Write(w) == nil {
		_ = w.Flush()
	}
	_ = nc.Close()
}

// rejectWithin bounds what a refused connection can cost the goroutine that accepts all others.
const rejectWithin = 50 * time.Millisecond
