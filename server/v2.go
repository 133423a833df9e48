package server

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/server/oip"
)

// Backend is the server as the front ends of the Open Inference Protocol see it. What it answers to another front end
// than HTTP is counted and logged as an HTTP request is.
func (s *Server) Backend() oip.Backend { return v2{s} }

// v2 implements oip.Backend. Its other methods are in v2infer.go and v2models.go.
type v2 struct{ *Server }

// newProtocol makes the protocol's HTTP form.
func (s *Server) newProtocol() *oip.Handler {
	return &oip.Handler{
		Backend: s.Backend(), Receive: s.receive, Hold: s.hold, Keyed: s.keyed, Fail: s.writeError, Admin: s.admit,
		MaxBody: s.cfg.MaxBodyBytes, MaxTimeout: s.cfg.MaxTimeout,
		Begin: func(ctx *fasthttp.RequestCtx, timeout time.Duration) context.Context {
			ex := exchangeOf(ctx)
			ex.v2 = exchangeContext{s.begin(ctx, ex, timeout), ex, caller{ex.id, &ctx.Request.Header}}
			return &ex.v2
		},
		End: func(ctx *fasthttp.RequestCtx) { exchangeOf(ctx).ctx.finish() },
	}
}

// exchangeContext is a request's context that knows the request's bookkeeping.
type exchangeContext struct {
	context.Context
	ex *exchange
	caller
}

// Describe says what a caller is told of err.
func (b v2) Describe(err error) oip.Status {
	e := public(err)
	st := oip.Status{HTTP: e.status, Code: e.code, Sentence: e.sentence}
	if e.status == fasthttp.StatusServiceUnavailable || e.status == fasthttp.StatusTooManyRequests {
		st.RetryAfter = retryDelay(err)
	}
	return st
}

// Infer answers a request. The bookkeeping is the HTTP exchange's, or its own.
func (b v2) Infer(ctx context.Context, req *oip.InferRequest) (*oip.InferResponse, error) {
	if x, ok := ctx.(*exchangeContext); ok {
		if !x.ex.idGiven && saneRequestID([]byte(req.ID)) {
			x.ex.id = req.ID
		}
		return b.inferFor(x.Context, x.ex, x.caller, req)
	}
	who := oip.CallerOf(ctx)
	ex := &exchange{start: time.Now(), id: who.RequestID, asks: true, key: who.Key}
	if !saneRequestID([]byte(ex.id)) {
		ex.id = req.ID
	}
	if !saneRequestID([]byte(ex.id)) {
		ex.id = newRequestID()
	}
	who.RequestID = ex.id
	if b.tracer != nil {
		ctx = b.startSpanElsewhere(ctx, ex)
	}
	b.cfg.Metrics.inflight.Inc()
	resp, err := b.inferElsewhere(ctx, ex, caller{ex.id, who.Headers}, req)
	ex.err = err
	b.finishElsewhere(ex)
	return resp, err
}

// inferElsewhere is inferFor for a front end that does not settle panics as serveRequest does.
func (b v2) inferElsewhere(ctx context.Context, ex *exchange, who caller, req *oip.InferRequest) (resp *oip.InferResponse, err error) {
	defer func() {
		if v := recover(); v != nil {
			b.panicked(ex.id, v)
			resp, err = nil, errPanic
		}
	}()
	return b.inferFor(ctx, ex, who, req)
}

// finishElsewhere counts and logs a request that another front end than HTTP has taken.
func (s *Server) finishElsewhere(ex *exchange) {
	s.cfg.Metrics.inflight.Dec()
	defer ex.lease.release()
	ex.timing.total = time.Since(ex.start)
	status := fasthttp.StatusOK
	if ex.err != nil {
		e := public(ex.err)
		status = e.status
		s.countRejected(ex, e)
	}
	s.cfg.Metrics.observeRequest(ex, status)
	s.endSpanElsewhere(ex, status)
	s.logRequest(nil, ex, status)
}

// inferFor holds the model and runs the request on it. The lease is the exchange's to release.
func (b v2) inferFor(ctx context.Context, ex *exchange, who caller, req *oip.InferRequest) (*oip.InferResponse, error) {
	var err error
	if ex.lease, err = b.acquire(req.Model, req.Version, who); err != nil {
		return nil, err
	}
	ex.model = ex.lease.served
	return b.run(ctx, ex, req)
}
