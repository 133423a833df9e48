package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/server/oip"
)

// traced opens a server whose spans are kept.
func traced(t *testing.T, cfg Config) (*harness, *tracetest.InMemoryExporter) {
	t.Helper()
	kept := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())))
	cfg.Tracer = p
	return open(t, cfg), kept
}

// byName returns the spans' names in order of their start, and the spans by name.
func byName(kept *tracetest.InMemoryExporter) ([]string, map[string]tracetest.SpanStub) {
	spans := kept.GetSpans()
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	var names []string
	of := map[string]tracetest.SpanStub{}
	for _, s := range spans {
		names = append(names, s.Name)
		of[s.Name] = s
	}
	return names, of
}

func value(s tracetest.SpanStub, key string) attribute.Value {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value
		}
	}
	return attribute.Value{}
}

const (
	callersTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersParent = "00-" + callersTrace + "-00f067aa0ba902b7-01"
)

func TestTraceOfAnImage(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	h, kept := traced(t, Config{CacheBytes: 1 << 20, Logger: zap.New(core)})
	post := func(parent string) reply {
		t.Helper()
		kept.Reset()
		req, _ := http.NewRequest("POST", "http://torchlit/v1/classify", strings.NewReader(string(redPNG)))
		req.Header.Set("Traceparent", parent)
		req.Header.Set("X-Request-Id", "mine")
		r, err := h.send(req)
		if err != nil || r.status != 200 {
			t.Fatal(err, r.status)
		}
		return r
	}
	r := post(callersParent)
	names, spans := byName(kept)
	root := spans["POST /v1/classify"]
	for _, name := range []string{"POST /v1/classify", "cache", "decode", "queue", "inference"} {
		s, ok := spans[name]
		if !ok || s.SpanContext.TraceID().String() != callersTrace {
			t.Fatalf("no span %q in the caller's trace; there are %q", name, names)
		}
		if name != root.Name && (s.Parent.SpanID() != root.SpanContext.SpanID() || s.StartTime.Before(root.StartTime)) {
			t.Fatalf("span %q: %+v is not within the request's", name, s)
		}
	}
	if got := root.Parent.SpanID().String(); got != "00f067aa0ba902b7" || root.SpanKind != trace.SpanKindServer || root.Status.Code != codes.Unset {
		t.Fatalf("request: parent %s, kind %v, status %+v", got, root.SpanKind, root.Status)
	}
	for key, want := range map[string]string{
		"http.request.method": "POST", "url.path": "/v1/classify", "http.route": "/v1/classify", "http.response.status_code": "200",
		"torchlit.request_id": "mine", "torchlit.model.name": "colours", "torchlit.model.version": "1",
	} {
		if got := value(root, key).String(); got != want {
			t.Errorf("%s is %q; want %q", key, got, want)
		}
	}
	if value(spans["cache"], "torchlit.cache").AsString() != "miss" || value(spans["inference"], "torchlit.batch.size").AsInt64() != 1 {
		t.Errorf("stages: %+v", spans)
	}
	if took := spans["inference"].EndTime.Sub(spans["inference"].StartTime); took != time.Millisecond {
		t.Errorf("inference took %s; the model says 1ms", took)
	}
	if want := "00-" + callersTrace + "-" + root.SpanContext.SpanID().String() + "-01"; r.header.Get("Traceresponse") != want {
		t.Errorf("Traceresponse is %q; want %q", r.header.Get("Traceresponse"), want)
	}
	if l := logs.FilterField(zap.String("trace_id", callersTrace)).FilterField(zap.String("request_id", "mine")); l.Len() != 1 {
		t.Errorf("the log does not have the request with its trace: %v", logs.All())
	}

	post(callersParent)
	if names, spans = byName(kept); len(names) != 2 || value(spans["cache"], "torchlit.cache").AsString() != "hit" {
		t.Errorf("a hit's spans: %q", names)
	}
	if r := post(callersParent[:len(callersParent)-1] + "0"); len(kept.GetSpans()) != 0 || !strings.HasSuffix(r.header.Get("Traceresponse"), "-00") {
		t.Errorf("the caller did not sample, but there are spans, or %q", r.header.Get("Traceresponse"))
	}
}

func TestTraceOfAnError(t *testing.T) {
	m := colourModel("colours", "1")
	m.Infer = func(ctx context.Context, _ []byte, _ batching.Priority) (batching.Result[[]float32], error) {
		<-ctx.Done()
		return batching.Result[[]float32]{}, ctx.Err()
	}
	h, kept := traced(t, Config{Models: []Model{m}})
	f := func(target string, body []byte, status codes.Code, kind string) {
		t.Helper()
		kept.Reset()
		h.do("POST", target, "image/png", body)
		names, spans := byName(kept)
		root := spans["POST /v1/classify"]
		if root.Status.Code != status || value(root, "error.type").AsString() != kind || (status == codes.Error) != (len(root.Events) == 1) {
			t.Fatalf("%+v of %q", root, names)
		}
		if kind == "deadline_exceeded" && value(spans["queue"], "error.type").AsString() != kind {
			t.Fatalf("where the deadline passed is not told: %q", names)
		}
	}
	f("/v1/classify?timeout_ms=5", redPNG, codes.Error, "deadline_exceeded")
	f("/v1/classify", []byte("no image"), codes.Unset, "not_an_image")
}

func TestTraceElsewhere(t *testing.T) {
	h, kept := traced(t, Config{})
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), sc)
	_, err := h.Backend().Infer(ctx, &oip.InferRequest{Inputs: []oip.Tensor{{Name: "image", Datatype: oip.Bytes, Shape: []int64{1}, Elements: [][]byte{redPNG}}}})
	if err != nil {
		t.Fatal(err)
	}
	names, spans := byName(kept)
	root := spans["inference.GRPCInferenceService/ModelInfer"]
	if root.Parent.SpanID() != sc.SpanID() || spans["inference"].Parent.SpanID() != root.SpanContext.SpanID() {
		t.Fatalf("spans %q: %+v", names, root)
	}
}

// Probes come every few seconds, and nobody wants to read of them.
func TestProbesAreNotTraced(t *testing.T) {
	h, kept := traced(t, Config{})
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/v2/health/live"} {
		h.do("GET", path, "", nil)
	}
	if names, _ := byName(kept); len(names) != 0 {
		t.Fatalf("spans %q", names)
	}
}
