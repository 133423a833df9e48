package server

import (
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// AccessLog writes a line of JSON for each request, or for a sample of them. docs/source/observability.md lists the fields.
// Neither an image nor a key nor a query is ever in it. Many goroutines may use it at once.
type AccessLog struct {
	all, sample zapcore.Core
}

// NewAccessLog logs to w, which it does not close. Of the requests that went well it logs the first ones of each second, and
// then every so many; a first of 0 stands for all of them. Requests that failed and slow ones are always logged.
func NewAccessLog(w zapcore.WriteSyncer, first, every int) *AccessLog {
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "time", EncodeTime: zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00"), SkipLineEnding: false,
	}), w, zapcore.InfoLevel)
	l := &AccessLog{all: core, sample: core}
	if first > 0 {
		l.sample = zapcore.NewSamplerWithOptions(core, time.Second, first, max(every, 0))
	}
	return l
}

// longestText bounds a path and a user agent in the log.
const longestText = 256

// note logs a request. ctx is nil when it did not come by HTTP.
func (l *AccessLog) note(ctx *fasthttp.RequestCtx, ex *exchange, status int, slow time.Duration) {
	core := l.sample
	if status >= fasthttp.StatusBadRequest || ex.err != nil || ex.timing.total >= slow {
		core = l.all
	}
	ce := core.Check(zapcore.Entry{Level: zapcore.InfoLevel, Time: ex.start.Add(ex.timing.total)}, nil)
	if ce == nil {
		return
	}
	fields := make([]zap.Field, 0, 24)
	fields = append(fields, zap.String("request_id", ex.id))
	if id := ex.traceID(); id != "" {
		fields = append(fields, zap.String("trace_id", id), zap.String("span_id", ex.span.SpanContext().SpanID().String()))
	}
	if ctx == nil {
		fields = append(fields, zap.String("method", "ModelInfer"), zap.Int("status", status))
	} else {
		fields = append(fields,
			zap.Stringer("client", ctx.RemoteAddr()), zap.ByteString("method", ctx.Method()), zap.ByteString("path", short(ctx.Path())),
			zap.Int("status", status), zap.Int("bytes_in", ex.received), zap.Int("bytes_out", len(ctx.Response.Body())))
		if agent := ctx.UserAgent(); len(agent) > 0 {
			fields = append(fields, zap.ByteString("user_agent", short(agent)))
		}
	}
	ce.Write(append(fields, ex.modelFields()...)...)
}

// modelFields are those of a request that reached a model.
func (ex *exchange) modelFields() []zap.Field {
	var fields []zap.Field
	if ex.err != nil {
		fields = append(fields, zap.String("error", public(ex.err).code))
	}
	if ex.model != nil {
		fields = append(fields, zap.String("model", ex.model.Name), zap.String("version", ex.model.Version))
	}
	if ex.key != "" {
		fields = append(fields, zap.String("key", ex.key))
	}
	if ex.images > 0 {
		fields = append(fields, zap.Int("images", ex.images), zap.Int("batch_size", ex.batch),
			millis("decode_ms", ex.timing.decode), millis("queue_ms", ex.timing.queue), millis("inference_ms", ex.timing.inference))
	}
	if ex.timing.cacheUse != cacheOff {
		fields = append(fields, zap.String("cache", cacheUseNames[ex.timing.cacheUse]))
	}
	return append(fields, millis("total_ms", ex.timing.total))
}

func millis(name string, d time.Duration) zap.Field {
	return zap.Float64(name, float64(d.Round(time.Microsecond))/float64(time.Millisecond))
}

func short(text []byte) []byte { return text[:min(len(text), longestText)] }
