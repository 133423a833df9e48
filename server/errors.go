package server

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/server/access"
	"github.com/torchlit/torchlit/server/oip"
	"github.com/torchlit/torchlit/vision"
	"github.com/torchlit/torchlit/vision/isolate"
)

// apiError is an error that may be shown to the client as it is.
type apiError struct {
	status   int
	code     string // snake_case, for programs
	sentence string // one sentence, for people
	reason   string // label of torchlit_rejected_total; empty when the request was not turned away for load
}

func (e *apiError) Error() string { return e.sentence }

// badRequest makes the 400 of a body or a parameter that cannot be used.
func badRequest(code, sentence string) *apiError {
	return &apiError{status: fasthttp.StatusBadRequest, code: code, sentence: sentence}
}

// Causes that a request's context is cancelled with.
var (
	errClientGone = cancellation("the client has gone")
	errStopped    = cancellation("the server was closed")
	errDecodeBusy = errors.New("too many images wait for a decode worker")
	errDecodeLate = errors.New("the images that wait for a decode worker leave no time before the deadline")
	errPanic      = errors.New("panic while serving")
	errBodyMemory = errors.New("the bodies of other requests take all of the memory for them")
	errPressure   = errors.New("the process is near the limit of its memory")
	errAllGone    = errors.New("nobody waits for the answer any more")
)

// ErrModelFailed is wrapped by what Model.Infer returns when the model's own code failed on this one input, as a TorchScript
// module may. The error's text goes to the log alone.
var ErrModelFailed = errors.New("the model failed on the input")

// statusClientGone is what nginx uses for a client that did not wait; it is only ever counted and logged.
const statusClientGone = 499

// errorTable turns inner errors into what a client may know of them: the first entry that errors.Is agrees with. An
// empty sentence means that the error's own text was written for the client, as vision's are. Whatever is not in the
// table is an internal error; its text goes to the log alone.
var errorTable = []struct {
	is error
	as apiError
}{
	{vision.ErrEmpty, apiError{fasthttp.StatusBadRequest, "empty_image", "", ""}},
	{vision.ErrNotImage, apiError{fasthttp.StatusUnsupportedMediaType, "not_an_image", "", ""}},
	{vision.ErrTooLarge, apiError{fasthttp.StatusRequestEntityTooLarge, "too_many_pixels", "", "too_many_pixels"}},
	{vision.ErrCorrupt, apiError{fasthttp.StatusUnprocessableEntity, "cannot_decode", "", ""}},
	{isolate.ErrCrashed, apiError{fasthttp.StatusUnprocessableEntity, "decoder_crashed", "The image cannot be decoded: the decoder crashed on it. Others are answered.", ""}},
	{isolate.ErrStuck, apiError{fasthttp.StatusGatewayTimeout, "decode_timeout", "The image was not decoded in the time that this server gives to one.", ""}},
	{isolate.ErrUnavailable, apiError{fasthttp.StatusServiceUnavailable, "decoder_unavailable", "The server cannot decode images at the moment: its decoders are being started anew. Try again shortly.", "decoder_unavailable"}},
	{isolate.ErrClosed, apiError{fasthttp.StatusServiceUnavailable, "draining", "The server was shut down. Try again shortly.", "draining"}},
	{batching.ErrQueueFull, apiError{fasthttp.StatusServiceUnavailable, "queue_full", "The server is busy: its queue is full. Try again shortly.", "queue_full"}},
	{batching.ErrBacklog, apiError{fasthttp.StatusServiceUnavailable, "queue_full", "The server is busy: what waits already leaves this request no time before its deadline. Try again shortly.", "backlog"}},
	{errDecodeBusy, apiError{fasthttp.StatusServiceUnavailable, "queue_full", "The server is busy: too many images wait to be decoded. Try again shortly.", "decode_queue_full"}},
	{errDecodeLate, apiError{fasthttp.StatusServiceUnavailable, "queue_full", "The server is busy: the images that wait to be decoded leave this request no time before its deadline. Try again shortly.", "decode_backlog"}},
	{errBodyMemory, apiError{fasthttp.StatusServiceUnavailable, "no_memory", "The server is busy: it holds as much of other requests as it may. Try again shortly.", "body_memory"}},
	{errPressure, apiError{fasthttp.StatusServiceUnavailable, "no_memory", "The server is busy: it is near the limit of its memory. Try again shortly.", "memory_pressure"}},
	{batching.ErrDraining, apiError{fasthttp.StatusServiceUnavailable, "draining", "The server is shutting down. Try again shortly.", "draining"}},
	{batching.ErrNoRunner, apiError{fasthttp.StatusServiceUnavailable, "model_failed", "The model cannot run at the moment. Try again later.", "no_runner"}},
	{ErrModelFailed, apiError{fasthttp.StatusInternalServerError, "model_failed_on_input", "The model's own code failed on this image; others are answered. The log has the details under this request's id.", ""}},
	{errStopped, apiError{fasthttp.StatusServiceUnavailable, "draining", "The server was shut down. Try again shortly.", "draining"}},
	{errLoading, apiError{fasthttp.StatusServiceUnavailable, "loading", "The server is still loading its model. Try again shortly.", "loading"}},
	{ErrUnknownModel, apiError{fasthttp.StatusNotFound, "model_not_found", "", ""}},
	{ErrCannotLoad, apiError{fasthttp.StatusUnprocessableEntity, "model_load_failed", "", ""}},
	{ErrBadParameter, apiError{fasthttp.StatusBadRequest, "bad_parameter", "", ""}},
	{monitor.ErrUnknownLabel, apiError{fasthttp.StatusBadRequest, "unknown_label", "The model has no such class; GET /v1/models/{model} lists its labels.", ""}},
	{monitor.ErrUnknownRequest, apiError{fasthttp.StatusNotFound, "unknown_request", "The log has no answer of this model to this request: it was never given, could not be stored, or is deleted.", ""}},
	{monitor.ErrNotSampled, apiError{fasthttp.StatusNotFound, "not_sampled", "The answer to this request was not logged: the server logs a sample of its answers, and this one is not in it.", ""}},
	{monitor.ErrUnavailable, apiError{fasthttp.StatusServiceUnavailable, "log_unavailable", "The prediction log cannot be written at the moment. Send this again later.", ""}},
	{context.Canceled, apiError{statusClientGone, "client_gone", "The client closed its connection before the answer was ready.", "client_gone"}},
	{context.DeadlineExceeded, apiError{fasthttp.StatusGatewayTimeout, "deadline_exceeded", "The deadline passed before the answer was ready.", "deadline"}},
}

var errInternal = apiError{status: fasthttp.StatusInternalServerError, code: "internal", sentence: "Something went wrong on the server. The log has the details under this request's id."}

// public returns what the client is told of err. It never returns nil.
func public(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*oip.Error](err); ok {
		return &apiError{status: e.HTTP, code: e.Code, sentence: e.Sentence}
	}
	for i := range errorTable {
		if !errors.Is(err, errorTable[i].is) {
			continue
		}
		e := errorTable[i].as
		if e.sentence == "" {
			e.sentence = sentence(err.Error())
		}
		return &e
	}
	return &errInternal
}

// sentence makes an error's text begin and end as a sentence does.
func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// retryAfter is the value of Retry-After for err: the queue's own estimate if it has one, in whole seconds, at least 1.
func retryAfter(err error) string {
	return strconv.Itoa(max(1, int(math.Ceil(retryDelay(err).Seconds()))))
}

// retryDelay is the queue's own estimate if err has it, else a second.
func retryDelay(err error) time.Duration {
	if e, ok := errors.AsType[*batching.RetryError](err); ok {
		return e.RetryAfter
	}
	if e, ok := errors.AsType[*access.RateError](err); ok {
		return e.After
	}
	return time.Second
}

// writeError answers with err's status, code and sentence, and notes err for the log.
func (s *Server) writeError(ctx *fasthttp.RequestCtx, err error) {
	e := public(err)
	if ex := exchangeOf(ctx); ex != nil {
		ex.err = err
	}
	s.countRejected(exchangeOf(ctx), e)
	ctx.SetStatusCode(e.status)
	if e.status == fasthttp.StatusUnauthorized && len(ctx.Response.Header.Peek(fasthttp.HeaderWWWAuthenticate)) == 0 {
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, `Bearer realm="torchlit"`)
	}
	if e.status == fasthttp.StatusServiceUnavailable {
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, retryAfter(err))
	}
	setJSON(ctx, appendError(nil, e))
}

func (s *Server) countRejected(ex *exchange, e *apiError) {
	if e.reason == "" {
		return
	}
	if ex != nil && ex.model != nil {
		s.cfg.Metrics.reject(ex.model.counts, e.reason)
		return
	}
	s.cfg.Metrics.reject(nil, e.reason)
}
