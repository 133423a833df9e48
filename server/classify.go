package server

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"
)

// classify answers the three classify routes.
func (s *Server) classify(ctx *fasthttp.RequestCtx) {
	ex := exchangeOf(ctx)
	if err := s.receive(ctx); err != nil {
		s.writeError(ctx, err)
		return
	}
	if err := s.acquireOf(ctx, ex); err != nil {
		s.writeError(ctx, err)
		return
	}
	u, err := s.readUpload(ctx)
	if err != nil {
		s.writeError(ctx, err)
		return
	}
	defer u.release()

	rctx := s.begin(ctx, ex, u.timeout)
	defer ex.ctx.finish()
	if u.list {
		s.answerList(ctx, rctx, ex, u)
		return
	}
	o := s.classifyImage(rctx, ex, -1, u)
	ex.timing, ex.images, ex.batch, ex.answered = o.timing, 1, o.batchSize, o.timing.total
	if o.err != nil {
		s.writeError(ctx, o.err)
		return
	}
	var buf [1024]byte
	setJSON(ctx, appendAnswer(buf[:0], ex.id, -1, ex.model, &o))
}

// acquireOf holds the model that the path names, or the default one, until the exchange is finished.
func (s *Server) acquireOf(ctx *fasthttp.RequestCtx, ex *exchange) (err error) {
	name, _ := ctx.UserValue("model").(string)
	version, _ := ctx.UserValue("version").(string)
	ex.lease, err = s.acquire(name, version, caller{ex.id, &ctx.Request.Header})
	ex.model = ex.lease.served
	return err
}

// clip keeps a caller's own words short enough to be repeated to them.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return strings.Clone(s)
}

// begin makes ex a context that ends with the request's deadline, when its client leaves, or with the server. Its finish
// must be called before the handler returns.
func (s *Server) begin(ctx *fasthttp.RequestCtx, ex *exchange, timeout time.Duration) context.Context {
	if timeout == 0 {
		timeout = s.cfg.DefaultTimeout
	}
	if ex.ctx, ex.spare = ex.spare, nil; ex.ctx == nil {
		ex.ctx = new(requestContext)
	}
	*ex.ctx = requestContext{watcher: s.watch, conn: connOf(ctx.Conn()), deadline: ex.start.Add(timeout)}
	if ex.span == nil {
		return ex.ctx
	}
	return trace.ContextWithSpan(ex.ctx, ex.span)
}

// classifyImage answers for one encoded image of u: number imageNo, or the only one, which is number -1. It returns only when nothing reads the image any more.
func (s *Server) classifyImage(ctx context.Context, ex *exchange, imageNo int, u *upload) outcome {
	a := s.inferLogged(ctx, ex, imageNo, encoded, u.images[max(imageNo, 0)], u.priority)
	o := outcome{batchSize: a.batchSize, timing: a.timing, err: a.err}
	o.timing.total = time.Since(ex.start)
	if a.err != nil {
		return o
	}
	o.top = mostProbable(a.probabilities, u.topK)
	return o
}

// answerList answers a request for several images: 200 and one entry for each, in order, an error among them if need
// be. Only when every image failed does the status say so: then it is that of the first.
func (s *Server) answerList(ctx *fasthttp.RequestCtx, rctx context.Context, ex *exchange, u *upload) {
	outcomes := make([]outcome, len(u.images))
	var wg sync.WaitGroup
	for i := range u.images {
		wg.Go(func() { outcomes[i] = s.classifyImage(rctx, ex, i, u) })
	}
	wg.Wait()
	ex.answered = time.Since(ex.start)

	body := append(make([]byte, 0, 512*len(outcomes)), `{"results":[`...)
	failed := 0
	ex.images = len(outcomes)
	for i := range outcomes {
		o := &outcomes[i]
		if i > 0 {
			body = append(body, ',')
		}
		body = appendAnswer(body, ex.id, i, ex.model, o)
		if o.err != nil {
			failed++
			ex.err = o.err
			s.countRejected(ex, public(o.err))
		}
		ex.timing.widen(o.timing)
		ex.batch = max(ex.batch, o.batchSize)
	}
	body = append(body, "]}"...)
	if failed == len(outcomes) {
		first := public(outcomes[0].err)
		ctx.SetStatusCode(first.status)
		if first.status == fasthttp.StatusServiceUnavailable {
			ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, retryAfter(outcomes[0].err))
		}
	}
	setJSON(ctx, body)
}

// widen makes t cover o too: images of one request go in parallel, so the slowest counts.
func (t *timing) widen(o timing) {
	t.decode = max(t.decode, o.decode)
	t.queue = max(t.queue, o.queue)
	t.inference = max(t.inference, o.inference)
	t.cache = max(t.cache, o.cache)
	switch {
	case t.cacheUse == cacheOff:
		t.cacheUse = o.cacheUse
	case o.cacheUse != cacheOff && o.cacheUse != t.cacheUse:
		t.cacheUse = cacheMixed
	}
}
