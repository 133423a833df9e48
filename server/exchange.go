package server

import (
	"sync"
	"time"

	"github.com/valyala/bytebufferpool"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"
)

// exchange is one request's bookkeeping, from its last byte to its answer, and the memory that its answer is made in. It is used
// again for another request: nothing may hold it when its handler has returned, but for its context.
type exchange struct {
	id       string
	idGiven  bool // by the caller
	start    time.Time
	model    *served // nil until it is known
	asks     bool    // for an answer of a model, even if it reached none
	lease    lease   // on model; released when the exchange is finished
	err      error   // what the client was told about, in full; nil if all went well
	timing   timing
	images   int           // whose answers were asked for
	batch    int           // the largest batch that one of them was in
	answered time.Duration // when the model had answered, from the start; 0 if it has not
	span     trace.Span    // nil when requests are not traced

	key string // name of the API key it came with, "" for none

	body     *bytebufferpool.ByteBuffer // the request's, nil before receive
	received int                        // bytes of it
	charged  int64                      // to Server.bodies

	// ctx is the request's, nil before begin. It has memory of its own, because a batch may hold it longer than the request lasts.
	ctx   *requestContext
	spare *requestContext // of an earlier request, which nobody held; nil for none

	// Of a request of the protocol.
	v2     exchangeContext
	answer v2answer
	raw    []byte // the answer's tensor
}

const exchangeKey = "torchlit.exchange"

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// newExchange begins the bookkeeping of ctx's request.
func newExchange(ctx *fasthttp.RequestCtx) *exchange {
	ex := exchanges.Get().(*exchange)
	ex.start = time.Now()
	ex.id, ex.idGiven = requestIDOf(ctx)
	ctx.SetUserValue(exchangeKey, ex)
	return ex
}

// exchangeOf returns the bookkeeping of ctx's request, nil when the request was never parsed.
func exchangeOf(ctx *fasthttp.RequestCtx) *exchange {
	ex, _ := ctx.UserValue(exchangeKey).(*exchange)
	return ex
}

// mostRaw is the largest answer whose memory is kept: that of a few hundred images of ten classes, or of a few of a thousand.
const mostRaw = 16 << 10

// recycle ends the bookkeeping of ctx's request.
func (ex *exchange) recycle(ctx *fasthttp.RequestCtx) {
	ctx.SetUserValue(exchangeKey, nil)
	raw := ex.raw
	if cap(raw) > mostRaw {
		raw = nil
	}
	spare := ex.spare
	if ex.ctx != nil && ex.span == nil && !ex.ctx.waitedFor() {
		spare = ex.ctx
	}
	*ex = exchange{raw: raw[:0], spare: spare}
	exchanges.Put(ex)
}
