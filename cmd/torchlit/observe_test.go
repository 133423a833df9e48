package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/vision"
)

// receiver keeps the spans that reach it, over HTTP or gRPC.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu       sync.Mutex
	spans    map[string]int
	resource map[string]string
}

func (r *receiver) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spans == nil {
		r.spans, r.resource = map[string]int{}, map[string]string{}
	}
	for _, rs := range req.ResourceSpans {
		for _, a := range rs.Resource.Attributes {
			r.resource[a.Key] = a.Value.GetStringValue()
		}
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				r.spans[s.Name]++
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var in io.Reader = req.Body
	if req.Header.Get("Content-Encoding") == "gzip" {
		in, _ = gzip.NewReader(req.Body)
	}
	body, err := io.ReadAll(in)
	var export collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &export)
	}
	if err != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, "not an export", http.StatusBadRequest)
		return
	}
	answer, _ := r.Export(req.Context(), &export)
	out, _ := proto.Marshal(answer)
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(out)
}

// observedServer starts a server with the settings' observers and a model that answers at once.
func observedServer(t *testing.T, settings serveSettings) (url string, stop func()) {
	t.Helper()
	o, err := openObservers(t.Context(), settings, zap.NewNop())
	require.NoError(t, err)
	cfg := server.Config{Addr: "127.0.0.1:0", Models: []server.Model{{
		Name: "m", Labels: []string{"a", "b"}, Preprocess: vision.Preprocess{Width: 2, Height: 2, CropPct: 1, Std: [3]float32{1, 1, 1}},
		Infer: func(context.Context, []byte, batching.Priority) (batching.Result[[]float32], error) {
			return batching.Result[[]float32]{Value: []float32{1, 0}, BatchSize: 1}, nil
		},
	}}}
	o.watch(&cfg)
	s, err := server.Open(cfg)
	require.NoError(t, err)
	require.NoError(t, s.Start())
	return "http://" + s.Addr().String(), func() {
		require.NoError(t, s.Close())
		o.close()
	}
}

func classifyAt(t *testing.T, url string) {
	t.Helper()
	var picture bytes.Buffer
	require.NoError(t, png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 2, 2))))
	resp, err := http.Post(url+"/v1/classify", "image/png", &picture)
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
}

// Spans reach a collector over either protocol, at the latest when the server stops.
func TestTracesReachACollector(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	wants := func(r *receiver) {
		t.Helper()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.spans, "decode queue") // on a busy machine
		require.Equal(t, map[string]int{"POST /v1/classify": 3, "decode": 3, "queue": 3, "inference": 3}, r.spans)
		require.Equal(t, "torchlit", r.resource["service.name"])
		require.Equal(t, "test", r.resource["deployment.environment.name"])
	}
	send := func(endpoint string) {
		t.Helper()
		settings := defaultServeSettings()
		settings.OTLPEndpoint = endpoint
		url, stop := observedServer(t, settings)
		for range 3 {
			classifyAt(t, url)
		}
		stop()
	}
	overHTTP := &receiver{}
	h := httptest.NewServer(overHTTP)
	defer h.Close()
	send(h.URL)
	wants(overHTTP)

	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	overGRPC, g := &receiver{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(g, overGRPC)
	go g.Serve(ln)
	defer g.Stop()
	send("http://" + ln.Addr().String())
	wants(overGRPC)
}

// A collector that takes connections and never says anything holds up neither a request nor, for long, the stop.
func TestDeadCollector(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
	settings := defaultServeSettings()
	settings.OTLPEndpoint = "http://" + ln.Addr().String()
	p, err := openTracing(t.Context(), settings, zap.NewNop())
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		for range 1000 {
			_, span := p.Tracer("test").Start(context.Background(), "span")
			span.End()
		}
		closeTracing(p, 50*time.Millisecond, zap.NewNop())
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("spans wait for a collector that does not answer")
	}
}

func TestTracingIsOffUnlessAskedFor(t *testing.T) {
	f := func(want bool, endpoint string, environment ...string) {
		t.Helper()
		for _, name := range []string{"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
			t.Setenv(name, "")
		}
		for _, v := range environment {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		require.Equal(t, want, wantsTracing(endpoint), environment)
	}
	f(false, "")
	f(true, "http://c:4318")
	f(true, "", "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318")
	f(true, "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4318/x")
	f(false, "http://c:4318", "OTEL_SDK_DISABLED=true")
	f(false, "", "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", "OTEL_TRACES_EXPORTER=none")
	f(true, "", "OTEL_TRACES_EXPORTER=otlp")

	settings := defaultServeSettings()
	for _, bad := range []string{"collector:4318", "grpc://c:4317", "http://"} {
		settings.OTLPEndpoint = bad
		_, err := openTracing(t.Context(), settings, zap.NewNop())
		require.ErrorContains(t, err, "http://HOST:4318", bad)
	}
}

// logrotate renames the file and sends SIGHUP: later lines go to a file of the old name.
func TestAccessLogIsReopened(t *testing.T) {
	dir := t.TempDir()
	settings := defaultServeSettings()
	settings.AccessLog, settings.AccessLogSampling = filepath.Join(dir, "access.log"), "all"
	url, stop := observedServer(t, settings)
	classifyAt(t, url)
	require.NoError(t, os.Rename(settings.AccessLog, settings.AccessLog+".1"))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	require.Eventually(t, func() bool { _, err := os.Stat(settings.AccessLog); return err == nil }, 10*time.Second, time.Millisecond)
	classifyAt(t, url)
	classifyAt(t, url)
	stop()
	for name, want := range map[string]int{settings.AccessLog + ".1": 1, settings.AccessLog: 2} {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, strings.Count(string(b), `"path":"/v1/classify"`), "%s: %s", name, b)
	}
}

func TestParseSampling(t *testing.T) {
	f := func(text string, first, every int, ok bool) {
		t.Helper()
		a, b, err := parseSampling(text)
		require.Equal(t, ok, err == nil, text)
		require.Equal(t, []int{first, every}, []int{a, b}, text)
	}
	f("all", 0, 0, true)
	f("100:10", 100, 10, true)
	f("1:0", 1, 0, true)
	f("0:10", 0, 0, false)
	f("100", 0, 0, false)
	f("a:b", 0, 0, false)
	f("", 0, 0, false)
}
