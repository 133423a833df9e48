package server

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	pb "github.com/torchlit/torchlit/internal/inferencepb"
)

// TestMemoryPressure: without room in the process's memory a body is refused by its size, a picture by what it takes to decode, and
// everything else goes on.
func TestMemoryPressure(t *testing.T) {
	var left atomic.Int64
	cfg := Config{Room: func(promised, n int64) bool { return promised+n <= left.Load() }}
	h := open(t, cfg)
	small, large := pngOf(picture(9, 9, red)), pngOf(picture(2000, 1000, red)) // 6 MB of pixels
	classify := func(body []byte, status int, code string) {
		t.Helper()
		r := h.do("POST", "/v1/classify", "image/png", body)
		if r.status != status || code != "" && r.answer(t).Code != code {
			t.Errorf("with %d bytes left: got %d %s; want %d %s", left.Load(), r.status, r.body, status, code)
		}
		if status == 503 && r.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
		}
	}
	left.Store(1 << 30)
	classify(large, 200, "")
	left.Store(4 << 20)
	classify(large, 503, "no_memory")
	classify(small, 200, "")
	if used := h.decoding.Used(); used != 0 {
		t.Errorf("%d bytes of decoding are taken for ever", used)
	}
	left.Store(-1)
	classify(small, 503, "no_memory")
	for _, path := range []string{"/readyz", "/healthz", "/metrics", "/v1/models", "/", "/v1/stats"} {
		if r := h.do("GET", path, "", nil); r.status != 200 {
			t.Errorf("%s: got %d", path, r.status)
		}
	}
	call := h.overGRPC(t)
	infer := pb.File_internal_inferencepb_grpc_service_proto.Services().ByName("GRPCInferenceService").Methods().ByName("ModelInfer")
	if got := call(infer); got != codes.Unavailable {
		t.Errorf("by gRPC: got %s; want Unavailable", got)
	}
	text := string(h.do("GET", "/metrics", "", nil).body)
	for _, line := range []string{
		`torchlit_rejected_total{model="colours",reason="memory_pressure",version="1"} 1`,
		`torchlit_rejected_total{model="",reason="memory_pressure",version=""} 2`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	left.Store(1 << 30)
	classify(large, 200, "")
	if got := call(infer); got != codes.OK {
		t.Errorf("by gRPC, with room again: got %s", got)
	}
}

// TestPromisedMemory: what is promised to those under way is what they hold of bodies and of decoding.
func TestPromisedMemory(t *testing.T) {
	var most atomic.Int64
	g := newGate()
	m := colourModel("colours", "1")
	m.Infer = g.classify
	h := open(t, Config{Models: []Model{m}, Room: func(promised, _ int64) bool {
		for was := most.Load(); promised > was && !most.CompareAndSwap(was, promised); was = most.Load() {
		}
		return true
	}})
	body := bytes.Repeat([]byte{0}, 300<<10)
	copy(body, pngOf(picture(9, 9, red))) // what comes after a PNG's end is nobody's
	done := make(chan reply)
	for range 2 {
		go func() { r, _ := h.try("POST", "/v1/classify", "image/png", body); done <- r }()
	}
	<-g.entered
	<-g.entered
	close(g.pass)
	for range 2 {
		if r := <-done; r.status != 200 {
			t.Errorf("got %d %s", r.status, r.body)
		}
	}
	if got := most.Load(); got < 300<<10 || got > 2<<20 {
		t.Errorf("%d bytes were promised at most; two bodies of 300 KiB were under way", got)
	}
	if used := h.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes are promised for ever", used)
	}
}
