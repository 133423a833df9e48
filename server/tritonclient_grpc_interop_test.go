//go:build interop

package server

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/server/rpc"
)

// TestInteropTritonClientGRPC lets the real client make all its calls: synchronous, with callbacks, as coroutines and in streams.
func TestInteropTritonClientGRPC(t *testing.T) {
	python := interop.Python(t, "triton")
	m, slow := colourModel("colours", "1"), colourModel("slow", "1")
	m.MaxBatch = 4
	slow.Infer = func(ctx context.Context, pixels []byte, p batching.Priority) (batching.Result[[]float32], error) {
		select {
		case <-time.After(10 * time.Second):
			return byColour(ctx, pixels, p)
		case <-ctx.Done():
			return batching.Result[[]float32]{}, context.Cause(ctx)
		}
	}
	s := open(t, Config{Models: []Model{m, slow}, Repository: fakeRepository{}})
	g := rpc.New(rpc.Config{Backend: s.Backend(), Admin: s.AuthorizeAdmin})
	t.Cleanup(g.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go g.Serve(ln)
	file := filepath.Join(t.TempDir(), "red.png")
	if err := os.WriteFile(file, redPNG, 0o600); err != nil {
		t.Fatal(err)
	}
	out := interop.Run(t, python, "testdata/tritonclient_grpc.py", ln.Addr().String(), file)
	if !strings.Contains(out, "all calls agree") {
		t.Fatalf("the client stopped early:\n%s", out)
	}
}
