//go:build interop

package server

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropTritonClientHTTP lets the real client make all its calls, synchronous and not.
func TestInteropTritonClientHTTP(t *testing.T) {
	python := interop.Python(t, "triton")
	m := colourModel("colours", "1")
	m.MaxBatch = 4
	s := open(t, Config{Models: []Model{m}, Repository: fakeRepository{}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(ln)
	mixed, _ := mixed()
	args := []string{ln.Addr().String()}
	for i, png := range [][]byte{redPNG, mixed} {
		file := filepath.Join(t.TempDir(), strconv.Itoa(i)+".png")
		if err := os.WriteFile(file, png, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out := interop.Run(t, python, "testdata/tritonclient_http.py", args...)
	if !strings.Contains(out, "all calls agree") {
		t.Fatalf("the client stopped early:\n%s", out)
	}
}
