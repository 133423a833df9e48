package server

import (
	"bytes"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/server/oip"
)

// routes is the list of what the server answers to the public, to administrators, or to both. Whatever is not in it gets a JSON 404 or 405.
func (s *Server) routes(public, admin bool) *router.Router {
	r := router.New()
	r.RedirectTrailingSlash = false // a redirected upload would be sent twice
	r.RedirectFixedPath = false
	r.SaveMatchedRoutePath = s.tracer != nil
	r.NotFound = s.notFound
	r.MethodNotAllowed = s.methodNotAllowed
	r.GlobalOPTIONS = func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(fasthttp.StatusNoContent) }

	get := func(path string, h fasthttp.RequestHandler) {
		r.GET(path, h)
		r.HEAD(path, h)
	}
	get("/healthz", s.healthz)
	get("/readyz", s.readyz)
	if admin {
		s.protocol.AdminRoutes(r)
		r.PUT("/v1/models/{model}/traffic", s.adminOnly(s.putTraffic))
		r.DELETE("/v1/models/{model}/traffic", s.adminOnly(s.deleteTraffic))
		r.DELETE("/v1/models/{model}/predictions", s.adminOnly(s.forget))
		get("/v1/models/{model}/predictions/pictures", s.adminOnly(s.showPictures))
		get("/metrics", s.cfg.Metrics.handler())
	}
	if !public {
		return r
	}
	for _, path := range []string{"/v1/classify", "/v1/models/{model}/classify", "/v1/models/{model}/versions/{version}/classify"} {
		r.POST(path, s.keyed(s.classify))
	}
	r.POST("/v1/models/{model}/feedback", s.keyed(s.feedback))
	s.protocol.Routes(r)
	get("/v1/models", s.listModels)
	get("/v1/models/{model}", s.showModel)
	get("/v1/models/{model}/traffic", s.showTraffic)
	get("/v1/models/{model}/drift", s.showDrift)
	get("/v1/models/{model}/versions/{version}/drift", s.showDrift)
	get("/v1/stats", s.showStats)
	for path, asset := range assets() {
		get(path, asset.serve)
	}
	return r
}

// handle answers the requests of the public listeners.
func (s *Server) handle(ctx *fasthttp.RequestCtx) { s.serveRequest(ctx, s.dispatch) }

// handleAdmin answers those of StartAdmin.
func (s *Server) handleAdmin(ctx *fasthttp.RequestCtx) { s.serveRequest(ctx, s.adminRouter.Handler) }

// serveRequest is every request's way in and out: id, panic, headers, counts and log are settled here, whatever the route.
func (s *Server) serveRequest(ctx *fasthttp.RequestCtx, dispatch fasthttp.RequestHandler) {
	ex := newExchange(ctx)
	if s.tracer != nil && !isProbe(ctx) {
		s.startSpan(ctx, ex)
	}
	s.cfg.Metrics.inflight.Inc()
	defer func() {
		r := recover()
		if r != nil { // fasthttp would let it end the process
			s.panicked(ex.id, r)
			ctx.Response.Reset()
			s.writeError(ctx, errPanic)
		}
		s.finish(ctx, ex)
		if r != nil { // something of the request may be at work still, and its body with it
			s.bodies.give(ex.charged)
			return
		}
		s.release(ctx, ex)
		ex.recycle(ctx)
	}()
	dispatch(ctx)
}

// requestIDOf returns the request's id, and whether the caller gave it.
func requestIDOf(ctx *fasthttp.RequestCtx) (id string, given bool) {
	if id := oip.PeekCanonical(&ctx.Request.Header, "X-Request-Id"); saneRequestID(id) {
		return string(id), true
	}
	return newRequestID(), false
}

// finish sets the headers that every reply carries, counts the request and logs it.
func (s *Server) finish(ctx *fasthttp.RequestCtx, ex *exchange) {
	s.cfg.Metrics.inflight.Dec()
	defer ex.lease.release()
	ex.timing.total = time.Since(ex.start)
	s.setCommonHeaders(ctx, ex)
	status := ctx.Response.StatusCode()
	ex.asks = ex.model != nil || asksForAnswer(ctx)
	s.cfg.Metrics.observeRequest(ex, status)
	if ex.span != nil {
		s.endSpan(ctx, ex, status)
	}
	s.logRequest(ctx, ex, status)
	if ctx.Request.BodyStream() != nil { // nobody wanted the body, of which fasthttp reads the rest if it is short, or closes
		readOn(ctx)
	}
}

// Headers of every reply, in the form that SetCanonical takes, which spares fasthttp to make it.
var (
	requestIDHeader          = []byte("X-Request-Id")
	serverTimingHeader       = []byte("Server-Timing")
	contentTypeOptionsHeader = []byte("X-Content-Type-Options")
	nosniff                  = []byte("nosniff")
)

func (s *Server) setCommonHeaders(ctx *fasthttp.RequestCtx, ex *exchange) {
	var buf [160]byte
	h := &ctx.Response.Header
	h.SetCanonical(requestIDHeader, append(buf[:0], ex.id...))
	h.SetCanonical(serverTimingHeader, appendServerTiming(buf[:0], ex.timing))
	h.SetCanonical(contentTypeOptionsHeader, nosniff)
	s.allowOrigin(ctx)
	if s.cfg.TLS != nil {
		h.Set(fasthttp.HeaderStrictTransportSecurity, "max-age=31536000")
	}
	if s.draining.Load() {
		ctx.SetConnectionClose()
	}
}

// logRequest logs a request, of which ctx is nil if it did not come by HTTP: as an error when it was our fault, as a warning when it was slow, else for debugging.
func (s *Server) logRequest(ctx *fasthttp.RequestCtx, ex *exchange, status int) {
	defer s.contain(ex.id)
	if s.cfg.AccessLog != nil {
		s.cfg.AccessLog.note(ctx, ex, status, s.cfg.SlowRequest)
	}
	level, message := zap.DebugLevel, "request"
	switch {
	case ex.err != nil && public(ex.err).status == fasthttp.StatusInternalServerError: // also for one image of a list, under status 200
		level, message = zap.ErrorLevel, "request failed"
	case ex.timing.total >= s.cfg.SlowRequest:
		level, message = zap.WarnLevel, "slow request"
	}
	e := s.log.Check(level, message)
	if e == nil {
		return
	}
	fields := []zap.Field{
		zap.String("request_id", ex.id),
		zap.Int("status", status),
		zap.Duration("decode", ex.timing.decode),
		zap.Duration("queue", ex.timing.queue),
		zap.Duration("inference", ex.timing.inference),
		zap.Duration("total", ex.timing.total),
	}
	if ctx != nil {
		fields = append(fields, zap.ByteString("method", ctx.Method()), zap.ByteString("path", ctx.Path()),
			zap.Int("request_bytes", ex.received), zap.Stringer("client", ctx.RemoteAddr()))
	}
	if id := ex.traceID(); id != "" {
		fields = append(fields, zap.String("trace_id", id))
	}
	if ex.key != "" {
		fields = append(fields, zap.String("key", ex.key))
	}
	if ex.model != nil {
		fields = append(fields, zap.String("model", ex.model.Name), zap.String("version", ex.model.Version))
	}
	if ex.err != nil {
		fields = append(fields, zap.Error(ex.err))
	}
	e.Write(fields...)
}

// asksForAnswer reports whether a request was meant for a model, as its path has it.
func asksForAnswer(ctx *fasthttp.RequestCtx) bool {
	path := ctx.Path()
	return ctx.IsPost() && (bytes.HasSuffix(path, []byte("/classify")) || bytes.HasSuffix(path, []byte("/infer")))
}

func (s *Server) notFound(ctx *fasthttp.RequestCtx) {
	s.writeError(ctx, &apiError{status: fasthttp.StatusNotFound, code: "not_found", sentence: "There is nothing at this address. Images go to /v1/classify; the page at / has an example."})
}

func (s *Server) methodNotAllowed(ctx *fasthttp.RequestCtx) {
	// The router has set Allow.
	s.writeError(ctx, &apiError{
		status: fasthttp.StatusMethodNotAllowed, code: "method_not_allowed",
		sentence: "This address does not take this method; use " + string(ctx.Response.Header.Peek("Allow")) + ".",
	})
}
