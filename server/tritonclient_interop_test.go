//go:build interop

package server

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/internal/interop"
)

// tritonClient is NVIDIA's own client for the protocol.
var tritonClient = []string{"tritonclient[http]==2.73.0", "geventhttpclient==2.6.1", "aiohttp==3.14.5", "numpy==2.4.6"}

// TestInteropTritonClientHTTP lets the real client make all its calls, synchronous and not.
func TestInteropTritonClientHTTP(t *testing.T) {
	python := interop.Python(t, tritonClient...)
	m := colourModel("colours", "1")
	m.MaxBatch = 4
	s := open(t, Config{Models: []Model{m}, Repository: fakeRepository{}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(ln)
	file := filepath.Join(t.TempDir(), "red.png")
	if err := os.WriteFile(file, pngOf(picture(8, 8, red)), 0o600); err != nil {
		t.Fatal(err)
	}
	out := interop.Run(t, python, "testdata/tritonclient_http.py", ln.Addr().String(), file)
	if !strings.Contains(out, "all calls agree") {
		t.Fatalf("the client stopped early:\n%s", out)
	}
}
