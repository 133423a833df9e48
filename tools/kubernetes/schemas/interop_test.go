//go:build interop

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInteropSchemas: the committed files are what the projects publish.
func TestInteropSchemas(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run(dir))
	committed, err := filepath.Glob(filepath.Join("..", "..", "..", "deploy", "kubernetes", "schemas", "*.json"))
	require.NoError(t, err)
	made, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	assert.Len(t, committed, len(made))
	for _, path := range made {
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "kubernetes", "schemas", filepath.Base(path)))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s: make kubernetes-schemas", filepath.Base(path))
	}
}
