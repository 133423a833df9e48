package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/torchlit/torchlit/batching"
)

// nullModel takes 32×32 pixels and has its answer ready: what is left is the server.
func nullModel() Model {
	m := colourModel("null", "1")
	m.Preprocess.Width, m.Preprocess.Height = 32, 32
	answer := []float32{.5, .3, .2}
	m.Infer = func(context.Context, []byte, batching.Priority) (batching.Result[[]float32], error) {
		return batching.Result[[]float32]{Value: answer, BatchSize: 1}, nil
	}
	return m
}

// smallRequests are requests of a few kilobytes or less, as they go to the null model.
var smallRequests = []smallRequest{
	{"v2-raw-tensor", "/v2/models/null/infer", "Inference-Header-Content-Length", make([]byte, 32*32*3)},
	{"v1-png", "/v1/classify", "", pngOf(picture(1, 1, red))},
}

type smallRequest struct {
	name, path string
	header     string // one more header, with the value "0"
	body       []byte
}

// context returns the request as fasthttp hands it to a handler.
func (r smallRequest) context() *fasthttp.RequestCtx {
	ctx := new(fasthttp.RequestCtx)
	ctx.Init2(fakeConn{}, fastLogger{zap.NewNop()}, false)
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI(r.path)
	if r.header != "" {
		ctx.Request.Header.Set(r.header, "0")
	}
	ctx.Request.SetBody(r.body)
	return ctx
}

// BenchmarkNullModel prints the server's requests/s as a share of those of a bare fasthttp handler that reads the same body
// and answers the same bytes. Both answer over loopback, in turns, to the same clients, which run on the same cores.
func BenchmarkNullModel(b *testing.B) {
	for _, r := range smallRequests {
		b.Run(r.name, func(b *testing.B) {
			ours, bare, stop := nullServers(b, r.path, r.header, r.body)
			defer stop()
			const turn = 250 * time.Millisecond
			var ratios, ourRates, bareRates []float64
			for b.Loop() {
				x, y := ours.rate(b, turn), bare.rate(b, turn)
				ourRates, bareRates, ratios = append(ourRates, x), append(bareRates, y), append(ratios, x/y)
			}
			b.ReportMetric(middle(ourRates), "requests/s")
			b.ReportMetric(middle(bareRates), "bare-requests/s")
			b.ReportMetric(middle(ratios), "share")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func middle(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// nullServers starts both servers.
func nullServers(b *testing.B, path, header string, body []byte) (ours, bare *hammer, stop func()) {
	s, err := Open(Config{Models: []Model{nullModel()}, Logger: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	ourLn, bareLn := loopback(b), loopback(b)
	go s.Serve(ourLn)
	ours = newHammer(ourLn.Addr().String(), path, header, body)

	first := ours.dial(b)
	defer first.Close()
	head, answer, err := first.post(ours.request)
	if err != nil || !bytes.HasPrefix(head, okLine) {
		b.Fatalf("%s %s %v", head, answer, err)
	}
	contentType := string(regexp.MustCompile(`(?m)^Content-Type: ([^\r]*)`).FindSubmatch(head)[1])
	answer = bytes.Clone(answer)
	var read atomic.Int64
	plain := &fasthttp.Server{Name: "bare", Handler: func(ctx *fasthttp.RequestCtx) {
		read.Add(int64(len(ctx.Request.Body())))
		ctx.SetContentType(contentType)
		ctx.SetBody(answer)
	}}
	go plain.Serve(bareLn)
	bare = newHammer(bareLn.Addr().String(), path, header, body)
	return ours, bare, func() {
		s.Close()
		plain.Shutdown()
	}
}

func loopback(b *testing.B) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return ln
}

// BenchmarkHandler measures a request from parsed to answered, without a connection.
func BenchmarkHandler(b *testing.B) {
	s, err := Open(Config{Models: []Model{nullModel()}, Logger: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for _, r := range smallRequests {
		b.Run(r.name, func(b *testing.B) {
			ctx := r.context()
			b.ReportAllocs()
			for b.Loop() {
				s.handle(ctx)
				ctx.ResetUserValues()
				ctx.Response.Reset()
			}
		})
	}
}

// BenchmarkAddedLatency prints what one client waits for beside the model, at the median, in microseconds: of a model that
// spins for a millisecond, called bare, through the handler and the batcher, and over loopback HTTP with a raw tensor.
func BenchmarkAddedLatency(b *testing.B) {
	const run = time.Millisecond
	batcher, err := batching.Open(batching.Config[[]byte, []float32]{NewRunner: func(int) (batching.Runner[[]byte, []float32], error) {
		return spinner(run), nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer batcher.Close()
	m := nullModel()
	m.Infer = batcher.DoPriority
	s, err := Open(Config{Models: []Model{m}, Logger: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ln := loopback(b)
	go s.Serve(ln)
	r := smallRequests[0]
	h := newHammer(ln.Addr().String(), r.path, r.header, r.body)
	conn := h.dial(b)
	defer conn.Close()
	l, err := s.acquire("", "", caller{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.release()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()

	post := func() error {
		head, body, err := conn.post(h.request)
		if err == nil && !bytes.HasPrefix(head, okLine) {
			err = fmt.Errorf("%s%s", head, body)
		}
		return err
	}
	in, out := [][]byte{r.body}, make([][]float32, 1)
	ways := []struct {
		name string
		ask  func() error
		took []float64
	}{
		{name: "bare", ask: func() error { return spinner(run).Run(in, out) }},
		{name: "inside", ask: func() error { return s.infer(ctx, "", l, pixels, r.body, batching.Normal).err }},
		{name: "http", ask: post},
	}
	for b.Loop() {
		for i := range ways {
			start := time.Now()
			if err := ways[i].ask(); err != nil {
				b.Fatal(err)
			}
			ways[i].took = append(ways[i].took, float64(time.Since(start).Nanoseconds())/1000)
		}
	}
	bare := middle(ways[0].took)
	b.ReportMetric(bare, "bare-µs")
	for _, w := range ways[1:] {
		b.ReportMetric(middle(w.took)-bare, w.name+"-added-µs")
	}
	b.ReportMetric(0, "ns/op")
}

// spinner is a model that keeps its core busy for so long.
type spinner time.Duration

func (s spinner) Run(in [][]byte, out [][]float32) error {
	for start := time.Now(); time.Since(start) < time.Duration(s); {
	}
	for i := range out {
		out[i] = []float32{.5, .3, .2}
	}
	return nil
}

func (spinner) Close() {}

// BenchmarkObserved shows what each way of watching requests costs one, and that none costs anything while it is off.
func BenchmarkObserved(b *testing.B) {
	provider := func(s sdktrace.Sampler) trace.TracerProvider {
		return sdktrace.NewTracerProvider(sdktrace.WithSampler(s), sdktrace.WithSyncer(tracetest.NewNoopExporter()))
	}
	for _, o := range []struct {
		name string
		cfg  Config
	}{
		{"off", Config{}},
		{"unsampled", Config{Tracer: provider(sdktrace.NeverSample())}},
		{"traced", Config{Tracer: provider(sdktrace.AlwaysSample())}},
		{"access-log-sampled", Config{AccessLog: NewAccessLog(zapcore.AddSync(io.Discard), 100, 100)}},
		{"access-log-all", Config{AccessLog: NewAccessLog(zapcore.AddSync(io.Discard), 0, 0)}},
		{"cache", Config{CacheBytes: 1 << 20}},
	} {
		b.Run(o.name, func(b *testing.B) {
			o.cfg.Models = []Model{nullModel()}
			s, err := Open(o.cfg)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			ctx := smallRequests[0].context()
			b.ReportAllocs()
			for b.Loop() {
				s.handle(ctx)
				ctx.ResetUserValues()
				ctx.Response.Reset()
			}
		})
	}
}
