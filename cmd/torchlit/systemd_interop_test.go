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
)

// TestInteropSystemdUnits has systemd read the units. The program's path is replaced: it must exist.
func TestInteropSystemdUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"torchlit.service", "torchlit.socket"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "systemd", name))
		require.NoError(t, err)
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/opt/torchlit/bin/torchlit", "/bin/true")), 0o644))
		paths = append(paths, path)
	}
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, paths...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, line := range strings.Split(string(out), "\n") {
		assert.NotContains(t, line, dir, "systemd complains of a unit")
	}
	score, err := exec.Command(analyze, "security", "--offline=yes", "--threshold=30", paths[0]).CombinedOutput()
	require.NoError(t, err, string(score))
}
