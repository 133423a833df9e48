//go:build interop

package server

import (
	"context"
	"fmt"
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

// fakeRepository knows "colours", which serves, "broken", which does not, and "other".
type fakeRepository struct{}

func (fakeRepository) Index() []VersionState {
	return []VersionState{
		{Name: "broken", Version: "1", State: StateUnavailable, Reason: "its weights are cut short"},
		{Name: "colours", Version: "1", State: StateReady},
	}
}

func (fakeRepository) Load(_ context.Context, name string, parameters map[string]any) error {
	switch name {
	case "other":
		return nil
	case "broken":
		return fmt.Errorf("model %q: %w: its weights are cut short", name, ErrCannotLoad)
	}
	return fmt.Errorf("model %q: %w", name, ErrUnknownModel)
}

func (fakeRepository) Unload(_ context.Context, name string) error {
	if name != "other" {
		return fmt.Errorf("model %q: %w", name, ErrUnknownModel)
	}
	return nil
}

func (fakeRepository) Keep(string, Traffic) {}
