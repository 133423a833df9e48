package server

import (
	"context"
	"strconv"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// A request is one span of kind server, which continues the trace of its traceparent header. Below it every image has
// its stages: cache, decode, queue and inference. The stages are told after the fact, from the times that are taken anyway, so
// that an image is handled in one way whether it is traced or not. Without a TracerProvider nothing of this runs.
//
// Names of attributes are OpenTelemetry's semantic conventions where there are such, else they begin with "torchlit.".

// tracerName is the instrumentation scope of the spans.
const tracerName = "github.com/torchlit/torchlit/server"

// traceContext reads traceparent and tracestate.
var traceContext propagation.TraceContext

// traceResponseHeader tells the caller the trace, as the W3C's Trace Context, level 2, has it.
var traceResponseHeader = []byte("Traceresponse")

// isProbe reports whether the request is one of those that come every few seconds, and whose trace nobody wants to read.
func isProbe(ctx *fasthttp.RequestCtx) bool {
	switch string(ctx.Path()) {
	case "/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready", "/v1/stats":
		return true
	}
	return false
}

// startSpan begins the span of an HTTP request.
func (s *Server) startSpan(ctx *fasthttp.RequestCtx, ex *exchange) {
	defer s.contain(ex.id)
	method := string(ctx.Method())
	parent := traceContext.Extract(context.Background(), requestHeaders{&ctx.Request.Header})
	_, ex.span = s.tracer.Start(parent, method, // the route is not known yet
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(ex.start))
	if !ex.span.IsRecording() {
		return
	}
	ex.span.SetAttributes(
		attribute.String("http.request.method", method),
		attribute.String("url.path", string(ctx.Path())),
		attribute.String("client.address", ctx.RemoteIP().String()),
		attribute.String("user_agent.original", clip(string(ctx.UserAgent()))),
	)
	if n := ctx.Request.Header.ContentLength(); n > 0 {
		ex.span.SetAttributes(attribute.Int("http.request.body.size", n))
	}
}

// endSpan ends the span of an HTTP request, and tells the caller of it.
func (s *Server) endSpan(ctx *fasthttp.RequestCtx, ex *exchange, status int) {
	defer s.contain(ex.id)
	if sc := ex.span.SpanContext(); sc.IsValid() {
		ctx.Response.Header.SetCanonical(traceResponseHeader, appendTraceParent(nil, sc))
	}
	if ex.span.IsRecording() {
		if route, ok := ctx.UserValue(router.MatchedRoutePathParam).(string); ok {
			ex.span.SetName(string(ctx.Method()) + " " + route)
			ex.span.SetAttributes(attribute.String("http.route", route))
		}
		ex.span.SetAttributes(
			attribute.Int("http.response.status_code", status),
			attribute.Int("http.response.body.size", len(ctx.Response.Body())),
		)
	}
	ex.closeSpan(status)
}

// startSpanElsewhere begins the span of a request that another front end than HTTP has taken; ctx may carry the
// caller's span.
func (s *Server) startSpanElsewhere(ctx context.Context, ex *exchange) (traced context.Context) {
	traced = ctx
	defer s.contain(ex.id)
	traced, ex.span = s.tracer.Start(ctx, "inference.GRPCInferenceService/ModelInfer",
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(ex.start),
		trace.WithAttributes(attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", "inference.GRPCInferenceService"), attribute.String("rpc.method", "ModelInfer")))
	return traced
}

// endSpanElsewhere ends the span of such a request.
func (s *Server) endSpanElsewhere(ex *exchange, status int) {
	defer s.contain(ex.id)
	if ex.span != nil {
		ex.closeSpan(status)
	}
}

// closeSpan ends the exchange's span with what every front end knows of it. Only what is our own fault is an error, as
// the conventions have it for servers.
func (ex *exchange) closeSpan(status int) {
	end := trace.WithTimestamp(ex.start.Add(ex.timing.total))
	if ex.span.IsRecording() {
		ex.span.SetAttributes(attribute.String("torchlit.request_id", ex.id))
		if ex.model != nil {
			ex.span.SetAttributes(attribute.String("torchlit.model.name", ex.model.Name), attribute.String("torchlit.model.version", ex.model.Version))
		}
		if ex.err != nil {
			e := public(ex.err)
			ex.span.SetAttributes(attribute.String("error.type", e.code))
			if status >= fasthttp.StatusInternalServerError || e == &errInternal {
				ex.span.RecordError(ex.err, end)
				ex.span.SetStatus(codes.Error, e.sentence)
			}
		}
	}
	ex.span.End(end)
}

// traceID is the exchange's trace, "" for none.
func (ex *exchange) traceID() string {
	if ex.span == nil || !ex.span.SpanContext().HasTraceID() {
		return ""
	}
	return ex.span.SpanContext().TraceID().String()
}

// shortestWait is a wait for a decode worker that is worth a span: finding one free takes less.
const shortestWait = 100 * time.Microsecond

// traceInference tells the stages of one image that came at begin, as children of ctx's span.
func (s *Server) traceInference(ctx context.Context, id string, begin time.Time, a *inference) {
	defer s.contain(id)
	if !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	at := begin
	stage := func(name string, took time.Duration, more ...attribute.KeyValue) {
		_, span := s.tracer.Start(ctx, name, trace.WithTimestamp(at), trace.WithAttributes(more...))
		at = at.Add(took)
		span.End(trace.WithTimestamp(at))
	}
	t := &a.timing
	if t.cacheUse != cacheOff {
		stage("cache", t.cache, attribute.String("torchlit.cache", cacheUseNames[t.cacheUse]))
	}
	if t.waited > shortestWait {
		stage("decode queue", t.waited)
	}
	if t.decode > 0 {
		stage("decode", t.decode)
	}
	if e := a.err; e != nil && public(e).status >= statusClientGone && t.decode > 0 { // it ended behind decoding
		stage("queue", time.Since(at), attribute.String("error.type", public(e).code))
	}
	if a.batchSize > 0 && t.cacheUse != cacheHit {
		stage("queue", t.queue-t.waited)
		stage("inference", t.inference, attribute.Int("torchlit.batch.size", a.batchSize))
	}
}

// requestHeaders is a propagation.TextMapCarrier; nothing is ever set.
type requestHeaders struct{ h *fasthttp.RequestHeader }

func (r requestHeaders) Get(key string) string { return string(r.h.Peek(key)) }
func (r requestHeaders) Set(string, string)    {}
func (r requestHeaders) Keys() []string        { return nil }

// appendTraceParent appends sc in the form of the header traceparent.
func appendTraceParent(dst []byte, sc trace.SpanContext) []byte {
	dst = append(dst, "00-"...)
	dst = append(dst, sc.TraceID().String()...)
	dst = append(dst, '-')
	dst = append(dst, sc.SpanID().String()...)
	dst = append(dst, "-0"...)
	return strconv.AppendUint(dst, uint64(sc.TraceFlags()&trace.FlagsSampled), 16)
}
