//go:build interop

package safetensors

import (
	"testing"

	"github.com/torchlit/torchlit/internal/interop"
)

// TestInteropReference has the reference implementation read what this package
// wrote.
func TestInteropReference(t *testing.T) {
	python := interop.Python(t, "torch")
	dir := t.TempDir()
	writeGoldens(t, dir)
	t.Log(interop.Run(t, python, "testdata/check.py", dir))
}
