package server

import (
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/batching"
)

// A client that sends "Expect: 100-continue" asks before it sends a large body, as curl does from 1 MB on. If the answer is no in
// any case, it hears it now, and the body is never sent: too large, no such model, no room before the deadline.

// expect answers that question: with 100, or with a reply that is complete, of which it returns the status. fasthttp writes
// it and closes the connection, on which the body may be coming nevertheless.
func (s *Server) expect(ctx *fasthttp.RequestCtx) (status int) {
	ex := &exchange{start: time.Now()}
	defer func() {
		if r := recover(); r != nil {
			s.panicked(ex.id, r)
			ex.lease.release()
			status = fasthttp.StatusContinue // The handler will say so better.
		}
	}()
	err := s.refuseUnread(ctx, ex)
	if err == nil {
		return fasthttp.StatusContinue
	}
	ex.id, ex.idGiven = requestIDOf(ctx)
	ctx.SetUserValue(exchangeKey, ex)
	s.cfg.Metrics.inflight.Inc() // finish takes it back
	s.writeError(ctx, err)
	readOn(ctx)
	s.finish(ctx, ex)
	return ctx.Response.StatusCode()
}

// refuseUnread returns why a request will be refused whatever its body is, or nil. After an error the exchange knows the model.
func (s *Server) refuseUnread(ctx *fasthttp.RequestCtx, ex *exchange) error {
	if ctx.Request.Header.ContentLength() > s.cfg.MaxBodyBytes {
		return s.readError(fasthttp.ErrBodyTooLarge)
	}
	path := string(ctx.Path())
	name, version, ok := classifiedBy(path)
	if !ctx.IsPost() || !ok && !isFeedback(path) {
		return nil
	}
	if keys := s.cfg.APIKeys; keys != nil {
		if _, err := keys.Check(presented(&ctx.Request.Header)); err != nil {
			return whyNoLeave(err)
		}
	}
	if !ok {
		return nil
	}
	m, err := s.catalog.Load().lookUp(name, version)
	if err != nil {
		return s.whyNot(name, version, err)
	}
	if m.Refusal == nil || !m.hold() {
		return nil
	}
	ex.lease, ex.model = lease{served: m}, m
	timeout := s.cfg.DefaultTimeout
	if ms, err := strconv.Atoi(string(ctx.QueryArgs().Peek("timeout_ms"))); err == nil && ms > 0 {
		timeout = min(time.Duration(ms)*time.Millisecond, s.cfg.MaxTimeout)
	}
	s.begin(ctx, ex, timeout)
	defer ex.ctx.finish()
	if err := m.Refusal(ex.ctx, batching.Normal, int(m.making.Load()), s.decode.backlog()); err != nil {
		return err
	}
	ex.lease.release()
	return nil
}

// isFeedback reports whether a path is that of feedback on a model's answers.
func isFeedback(path string) bool {
	return strings.HasPrefix(path, "/v1/models/") && strings.HasSuffix(path, "/feedback")
}

// classifiedBy takes the model's name and version out of the path of a request for an image's answer, both empty if it names none.
func classifiedBy(path string) (name, version string, ok bool) {
	parts := strings.Split(path, "/")
	switch last := parts[len(parts)-1]; {
	case path == "/v1/classify":
		return "", "", true
	case len(parts) < 5 || parts[2] != "models" || (parts[1] != "v1" || last != "classify") && (parts[1] != "v2" || last != "infer"):
		return "", "", false
	case len(parts) == 5:
		return parts[3], "", true
	case len(parts) == 7 && parts[4] == "versions":
		return parts[3], parts[5], true
	}
	return "", "", false
}
