package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/torchlit/torchlit/batching"
	pb "github.com/torchlit/torchlit/internal/inferencepb"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/server/oip"
	"github.com/torchlit/torchlit/server/rpc"
	"github.com/torchlit/torchlit/vision"
)

// fuse is what the hooks of a test's server go through: the one whose name is set panics.
type fuse struct {
	mu    sync.Mutex
	armed string
	blown map[string]int
}

func (f *fuse) arm(hook string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = hook
}

func (f *fuse) through(hook string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.armed == hook {
		f.blown[hook]++
		panic("the fuse of " + hook)
	}
}

func (f *fuse) times(hook string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.blown[hook]
}

// model is the colour model with every hook that a Model has.
func (f *fuse) model(version, suffix string) Model {
	m := colourModel("colours", version)
	infer := func(name string) func(context.Context, []byte, batching.Priority) (batching.Result[[]float32], error) {
		return func(ctx context.Context, image []byte, p batching.Priority) (batching.Result[[]float32], error) {
			f.through(name + suffix)
			return byColour(ctx, image, p)
		}
	}
	m.Infer, m.Asked = infer("Infer"), infer("Asked")
	m.Refusal = func(context.Context, batching.Priority, int, time.Duration) error {
		f.through("Refusal" + suffix)
		return nil
	}
	m.Rate = func() float64 {
		f.through("Rate" + suffix)
		return 1e6
	}
	m.QueueStats = func() batching.Stats {
		f.through("QueueStats" + suffix)
		return batching.Stats{}
	}
	m.Health = func() (string, bool) {
		f.through("Health" + suffix)
		return "cpu", false
	}
	m.Resizer = func(src *vision.Image, w, h int, ip vision.Interpolation) (*vision.Image, error) {
		f.through("Resizer" + suffix)
		return vision.NfntResizer(src, w, h, ip)
	}
	m.MaxBatch = 2
	m.Holds = NewHolds()
	return m
}

type fusedRepository struct{ *fuse }

func (r fusedRepository) Index() []VersionState {
	r.through("Index")
	return []VersionState{{Name: "colours", Version: "1", State: StateReady}}
}
func (r fusedRepository) Load(context.Context, string, map[string]any) error {
	r.through("Load")
	return nil
}
func (r fusedRepository) Unload(context.Context, string) error { r.through("Unload"); return nil }
func (r fusedRepository) Keep(string, Traffic)                 { r.through("Keep") }

type fusedLog struct{ *fuse }

func (l fusedLog) Wants(string) (bool, bool) { l.through("Wants"); return true, true }
func (l fusedLog) Record(*monitor.Answer)    { l.through("Record") }
func (l fusedLog) Feedback(_ context.Context, model string, labels []monitor.Label) ([]monitor.Verdict, error) {
	l.through("Feedback")
	return make([]monitor.Verdict, len(labels)), nil
}
func (l fusedLog) Forget(context.Context, string, string) (int, error) {
	l.through("Forget")
	return 1, nil
}
func (l fusedLog) Counts() monitor.LogCounts { l.through("Counts"); return monitor.LogCounts{} }

// Write is what the access log is written to.
func (f *fuse) Write(p []byte) (int, error) { f.through("AccessLog"); return len(p), nil }
func (f *fuse) Sync() error                 { return nil }

type fusedTracing struct {
	embedded.TracerProvider
	*fuse
}

func (t fusedTracing) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return fusedTracer{fuse: t.fuse}
}

type fusedTracer struct {
	embedded.Tracer
	*fuse
}

func (t fusedTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	t.through("Span.Start")
	s := fusedSpan{noop.Span{}, t.fuse}
	return trace.ContextWithSpan(ctx, s), s
}

type fusedSpan struct {
	trace.Span
	*fuse
}

func (s fusedSpan) IsRecording() bool                   { s.through("Span.IsRecording"); return true }
func (s fusedSpan) SetAttributes(...attribute.KeyValue) { s.through("Span.SetAttributes") }
func (s fusedSpan) SpanContext() trace.SpanContext {
	s.through("Span.SpanContext")
	return trace.SpanContext{}
}
func (s fusedSpan) End(...trace.SpanEndOption) { s.through("Span.End") }

// onlyLookOn are the hooks whose panic no caller may notice.
var onlyLookOn = []string{"Record", "AccessLog", "Span.Start", "Span.IsRecording", "Span.SetAttributes", "Span.SpanContext", "Span.End",
	"Rate", "Infer of the shadow", "Resizer of the shadow", "Rate of the shadow"}

// changeAnswers are the others.
var changeAnswers = []string{"Infer", "Asked", "Refusal", "Health", "Resizer", "QueueStats", "Index", "Load", "Unload", "Keep",
	"Wants", "Feedback", "Forget", "Counts", "Drift", "DriftStatus", "Pictures"}

// probe is a request for a route.
type probe struct {
	name, method, path, contentType string
	expect                          bool
	body                            []byte
}

// probes are requests for every route there is, with every kind of body where pictures go.
func probes(h *harness) []probe {
	small, large := pngOf(picture(9, 9, red)), pngOf(noise(80, 80))
	listType, list := form(nil, small, large, small)
	v2, _ := json.Marshal(map[string]any{"inputs": []any{map[string]any{
		"name": "image", "datatype": "BYTES", "shape": []int{3}, "parameters": map[string]any{"content_type": "base64"},
		"data": []string{base64.StdEncoding.EncodeToString(small), base64.StdEncoding.EncodeToString(large), base64.StdEncoding.EncodeToString(small)},
	}}})
	var all []probe
	for method, paths := range h.router.List() {
		for _, route := range paths {
			if method == "*" {
				method = "POST"
			}
			p := probe{name: method + " " + route, method: method, contentType: "application/json", body: []byte("{}")}
			p.path = strings.NewReplacer("{model}", "colours", "{version}", "1").Replace(route)
			switch {
			case method == "GET" || method == "HEAD":
				p.contentType, p.body = "", nil
				all = append(all, p)
			case strings.HasSuffix(route, "/infer"):
				tensor := p
				p.body = v2
				tensor.name, tensor.body = p.name+", a tensor", []byte(`{"inputs": [{"name": "input", "datatype": "UINT8", "shape": [1, 8, 8, 3], "data": [`+strings.Repeat("1, ", 191)+`1]}]}`)
				all = append(all, p, tensor)
			case strings.HasSuffix(route, "/feedback"):
				p.body = []byte(`{"request_id": "one", "label": "red"}`)
				all = append(all, p)
			case strings.HasSuffix(route, "/predictions"):
				p.path += "?request_id=one"
				all = append(all, p)
			case strings.HasSuffix(route, "/classify"):
				one, expected, big, many := p, p, p, p
				one.contentType, one.body = "image/png", small
				expected.name, expected.contentType, expected.body, expected.expect = p.name+", expecting 100", "image/png", large, true
				big.name, big.contentType, big.body = p.name+", large", "image/png", large
				many.name, many.contentType, many.body = p.name+", three", listType, list
				all = append(all, one, expected, big, many)
			case method == "PUT" && strings.HasSuffix(route, "/traffic"):
				p.body = []byte(`{"default": "1", "shadow": {"version": "2", "percent": 100}}`)
				all = append(all, p)
			default:
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b probe) int { return strings.Compare(a.name, b.name) })
	return all
}

func (h *harness) probe(p probe) (int, []byte) {
	h.t.Helper()
	req, _ := http.NewRequest(p.method, "http://torchlit"+p.path, bytes.NewReader(p.body))
	if p.contentType != "" {
		req.Header.Set("Content-Type", p.contentType)
	}
	if p.expect {
		req.Header.Set("Expect", "100-continue")
	}
	req.Header.Set("X-Admin-Key", "sesame-sesame-sesame")
	r, err := h.send(req)
	if err != nil {
		h.t.Fatalf("%s: %v", p.name, err)
	}
	return r.status, r.body
}

var shadowed1by2 = Traffic{Default: "1", Shadow: &Share{Version: "2", Percent: 100}}

// restoreTraffic undoes what a probe of the traffic's routes has done.
func (h *harness) restoreTraffic(p probe) {
	if strings.HasSuffix(p.path, "/traffic") {
		if err := h.SetTraffic("colours", shadowed1by2); err != nil {
			h.t.Fatal(err)
		}
	}
}

// settled fails the test unless all that a request takes is given back.
func (h *harness) settled(after string) {
	h.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		c := h.catalog.Load()
		left := map[string]int64{
			"inflight requests": h.cfg.Metrics.inflight.Load(), "bytes of bodies": h.bodies.used.Load(), "bytes of decoding": h.decoding.Used(),
			"decode places": int64(len(h.decode.places)) - h.decode.held.Load(), "waiting for a decode place": h.decode.waiting.Load(),
			"shadow places": int64(len(h.shadows.places)), "decoding for a shadow": c.models[1].making.Load(), "decoding": c.models[0].making.Load(),
		}
		if h.shared != nil {
			h.shared.mu.Lock()
			left["flights"] = int64(len(h.shared.flights))
			h.shared.mu.Unlock()
		}
		for what, n := range left {
			if n == 0 {
				delete(left, what)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("after %s there are left: %v", after, left)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestPanicOfAnyHook lets each function that the server is handed panic under a request for each of its routes. The request is
// answered, with 500 if it needed what failed; what only looks on changes nothing; the others go on, and nothing stays taken.
func TestPanicOfAnyHook(t *testing.T) {
	for name, cfg := range map[string]Config{
		"alone":  {DecodeWorkers: 1},
		"traced": {Tracer: fusedTracing{}},
		"shared": {Dedup: true, CacheBytes: 1},
	} {
		t.Run(name, func(t *testing.T) { panicEverywhere(t, cfg) })
	}
}

func panicEverywhere(t *testing.T, cfg Config) {
	f := &fuse{blown: map[string]int{}}
	h := f.open(t, cfg)
	all := probes(h)
	if len(all) < 40 {
		t.Fatalf("only %d routes were found", len(all))
	}
	usual := map[string]int{}
	for _, p := range all {
		usual[p.name], _ = h.probe(p)
		h.restoreTraffic(p)
		if usual[p.name] >= 400 && usual[p.name] != http.StatusNotImplemented {
			t.Errorf("%s: got %d without any panic", p.name, usual[p.name])
		}
	}
	h.settled("the first round")
	for _, hook := range slices.Concat(changeAnswers, onlyLookOn) {
		if cfg.Tracer == nil && strings.HasPrefix(hook, "Span.") {
			continue
		}
		for _, p := range all {
			f.arm(hook)
			before := f.times(hook)
			got, body := h.probe(p)
			h.settled(fmt.Sprintf("%s with a panic in %s", p.name, hook)) // a shadow is asked beside
			f.arm("")
			h.restoreTraffic(p)
			switch met := f.times(hook) > before; {
			case slices.Contains(onlyLookOn, hook) && got != usual[p.name]:
				t.Errorf("%s, panic in %s, which only looks on: got %d %s; want %d", p.name, hook, got, body, usual[p.name])
			case got != usual[p.name] && (got != 500 || !met):
				t.Errorf("%s, panic in %s: got %d %s; want %d or, if it was called, 500", p.name, hook, got, body, usual[p.name])
			case got == 500 && p.method != "HEAD" && !bytes.Contains(body, []byte("omething went wrong on the server")):
				t.Errorf("%s, panic in %s: got %s", p.name, hook, body)
			}
		}
		if f.times(hook) == 0 {
			t.Errorf("no route calls %s", hook)
		}
		for _, p := range all[:3] {
			if got, body := h.probe(p); got != usual[p.name] {
				t.Errorf("%s after panics in %s: got %d %s; want %d", p.name, hook, got, body, usual[p.name])
			}
		}
	}
	h.letGo()
}

// open starts a server all of whose hooks go through the fuse.
func (f *fuse) open(t *testing.T, cfg Config) *harness {
	cfg.Models = []Model{f.model("1", ""), f.model("2", " of the shadow")}
	cfg.Models[1].Preprocess.Width, cfg.Models[1].Preprocess.Height = 8, 8
	cfg.Models[1].Preprocess.CropPct = 0.9 // so that it decodes for itself
	cfg.Traffic = map[string]Traffic{"colours": shadowed1by2}
	cfg.AdminKey = "sesame-sesame-sesame"
	cfg.Repository, cfg.PredictionLog, cfg.AccessLog = fusedRepository{f}, fusedLog{f}, NewAccessLog(f, 0, 0)
	cfg.Drift = func(string, string) *Drift { f.through("Drift"); return nil }
	cfg.DriftStatus = func(string, string) (any, bool) { f.through("DriftStatus"); return map[string]int{}, true }
	cfg.Pictures = func(context.Context, string, string, int) ([]LoggedPicture, error) {
		f.through("Pictures")
		return nil, nil
	}
	if cfg.Tracer != nil {
		cfg.Tracer = fusedTracing{fuse: f}
	}
	h := open(t, cfg)
	t.Cleanup(func() { h.client.CloseIdleConnections() })
	return h
}

// letGo takes the models away and fails the test if a request still holds one.
func (h *harness) letGo() {
	h.t.Helper()
	models := h.catalog.Load().models
	if err := h.SetModels([]Model{colourModel("other", "1")}); err != nil {
		h.t.Fatal(err)
	}
	for _, m := range models {
		select {
		case <-m.Holds.Released():
		case <-time.After(10 * time.Second):
			h.t.Fatalf("version %s is held for ever", m.Version)
		}
	}
}

// TestPanicOverGRPC is TestPanicOfAnyHook for every method of the service, with the server and its front end together.
func TestPanicOverGRPC(t *testing.T) {
	for _, traced := range []bool{false, true} {
		f := &fuse{blown: map[string]int{}}
		cfg := Config{}
		if traced {
			cfg.Tracer = fusedTracing{}
		}
		h := f.open(t, cfg)
		call := h.overGRPC(t)
		methods := pb.File_internal_inferencepb_grpc_service_proto.Services().ByName("GRPCInferenceService").Methods()
		if methods.Len() < 10 {
			t.Fatalf("only %d methods were found", methods.Len())
		}
		usual := map[protoreflect.Name]codes.Code{}
		for i := range methods.Len() {
			usual[methods.Get(i).Name()] = call(methods.Get(i))
		}
		if usual["ModelInfer"] != codes.OK || usual["RepositoryModelLoad"] != codes.OK || usual["ModelStreamInfer"] != codes.OK {
			t.Fatalf("got %v without any panic", usual)
		}
		failed := 0
		for _, hook := range slices.Concat(changeAnswers, onlyLookOn) {
			for i := range methods.Len() {
				m := methods.Get(i)
				f.arm(hook)
				before := f.times(hook)
				got := call(m)
				h.settled(fmt.Sprintf("%s with a panic in %s", m.Name(), hook))
				f.arm("")
				met := f.times(hook) > before
				if got == codes.Internal && met && !slices.Contains(onlyLookOn, hook) {
					failed++
				} else if got != usual[m.Name()] {
					t.Errorf("%s, panic in %s (called: %v): got %s; want %s", m.Name(), hook, met, got, usual[m.Name()])
				}
			}
		}
		f.arm("Index") // asked why a model is not there, before any image is looked at
		_, err := h.Backend().Infer(context.Background(), &oip.InferRequest{Model: "another"})
		f.arm("")
		if st := h.Backend().Describe(err); st.HTTP != 500 {
			t.Errorf("panic in Index under ModelInfer of another model: got %v; want an internal error", err)
		}
		h.settled("ModelInfer of another model")
		if failed < 8 {
			t.Errorf("only %d calls failed; is any hook called?", failed)
		}
		h.letGo()
	}
}

// overGRPC starts the other front end and returns what calls any method of it.
func (h *harness) overGRPC(t *testing.T) func(protoreflect.MethodDescriptor) codes.Code {
	g := rpc.New(rpc.Config{Backend: h.Backend(), Admin: h.AuthorizeAdmin, Enter: h.Enter, Panicked: h.Panicked, Memory: h.RequestMemory(), Refused: h.RefusedForMemory})
	ln := bufconn.Listen(1 << 16)
	served := make(chan error, 1)
	go func() { served <- g.Serve(ln) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return ln.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		g.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return func(m protoreflect.MethodDescriptor) codes.Code {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ctx = metadata.AppendToOutgoingContext(ctx, "x-admin-key", "sesame-sesame-sesame")
		if m.Name() == "ModelStreamInfer" {
			return streamed(ctx, conn)
		}
		in, out := grpcRequest(m), dynamicpb.NewMessage(m.Output())
		return status.Code(conn.Invoke(ctx, "/inference.GRPCInferenceService/"+string(m.Name()), in, out))
	}
}

// v2Request asks about three pictures.
func v2Request() *pb.ModelInferRequest {
	var raw []byte
	for _, file := range [][]byte{redPNG, pngOf(noise(80, 80)), redPNG} {
		raw = append(binary.LittleEndian.AppendUint32(raw, uint32(len(file))), file...)
	}
	return &pb.ModelInferRequest{
		ModelName:        "colours",
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "image", Datatype: "BYTES", Shape: []int64{3}}},
		RawInputContents: [][]byte{raw},
	}
}

// grpcRequest is a message for a method that it can act on.
func grpcRequest(m protoreflect.MethodDescriptor) proto.Message {
	if m.Name() == "ModelInfer" {
		return v2Request()
	}
	in := dynamicpb.NewMessage(m.Input())
	for _, name := range []protoreflect.Name{"name", "model_name"} {
		if fd := m.Input().Fields().ByName(name); fd != nil {
			in.Set(fd, protoreflect.ValueOfString("colours"))
		}
	}
	return in
}

// streamed sends one request over a stream. The error of a message is INTERNAL here.
func streamed(ctx context.Context, conn *grpc.ClientConn) codes.Code {
	stream, err := pb.NewGRPCInferenceServiceClient(conn).ModelStreamInfer(ctx)
	if err == nil {
		err = stream.Send(v2Request())
	}
	if err != nil {
		return status.Code(err)
	}
	_ = stream.CloseSend()
	resp, err := stream.Recv()
	switch {
	case err != nil:
		return status.Code(err)
	case strings.Contains(resp.ErrorMessage, "omething went wrong on the server"):
		return codes.Internal
	case resp.ErrorMessage != "":
		return codes.Unknown
	}
	return codes.OK
}
