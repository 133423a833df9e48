//go:build interop

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// TestInteropGRPCPage runs what docs/source/grpc.md shows.
func TestInteropGRPCPage(t *testing.T) {
	torchtest.Need(t)
	python := interop.Python(t, "triton")
	s := serveModel(t, "--models", filepath.Join("..", "..", "models"), "--grpc-addr", "127.0.0.1:0")
	dir, image := t.TempDir(), photo(t, 200, 150, 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cat.jpg"), image, 0o600))
	blocks := examples(t, "grpc.md", "python")
	require.Len(t, blocks, 1)
	cmd := exec.CommandContext(t.Context(), python, "-c", strings.ReplaceAll(blocks[0], "localhost:8081", s.grpc))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Regexp(t, `^`+classified(t, s.url, image)+` 0\.\d+\n\w+ 0\.\d+\n\w+ 0\.\d+\n$`, string(out))
}
