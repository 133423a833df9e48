package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// faultyBuild builds the program with the hook that crashes it. It lies where the tree's bin/ is, to find the native libraries.
func faultyBuild(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Join("..", ".."), ".faults-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	exe, err := filepath.Abs(filepath.Join(dir, "torchlit"))
	require.NoError(t, err)
	out, err := exec.Command("go", "build", "-tags", "faults", "-buildvcs=false", "-o", exe, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return exe
}

// The native side dereferences a null pointer under load, twice. What was under way then fails, and nothing else: connections wait,
// /readyz is false until another worker has loaded, and the parent is what it was.
func TestNativeCrashIsSurvived(t *testing.T) {
	torchtest.Need(t)
	poison := filepath.Join(t.TempDir(), "poison")
	cmd := exec.Command(faultyBuild(t), "serve", "--supervise", "--addr", "127.0.0.1:0", "--max-batch-size", "4")
	cmd.Env = append(os.Environ(), "TORCHLIT_FAULT_SIGSEGV="+poison)
	s := startSupervised(t, cmd)
	const clients, crashes = 6, 2
	ctx, cancel := context.WithCancel(t.Context())
	c, wg := load(ctx, t, s.url, "", clients, true)
	await(t, func() bool { return c.answered.Load() > 20 }, c.String)
	threads, resident := size(t, cmd.Process.Pid)
	for i := range crashes {
		require.NoError(t, os.WriteFile(poison, nil, 0o600))
		await(t, func() bool { return strings.Count(s.text(), "worker died") > i }, s.text)
		ready, why := statusOf(s.url + "/readyz")
		if len(s.readyWorkers()) == i+1 {
			assert.Equal(t, 503, ready, why)
			assert.Contains(t, why, "loading")
		}
		s.awaitReady(t, i+2)
		ready, why = statusOf(s.url + "/readyz")
		assert.Equal(t, 200, ready, why)
		before := c.answered.Load()
		await(t, func() bool { return c.answered.Load() > before+20 }, c.String)
	}
	cancel()
	wg.Wait()
	failed := c.lost.Load() + c.unread.Load() + c.crossed.Load()
	t.Logf("%d crashes: %s", crashes, c)
	assert.Zero(t, c.refused.Load(), "the port stays open")
	assert.Positive(t, failed, "the hook did nothing")
	assert.LessOrEqual(t, failed, int64(clients*crashes), "%s %q", c, c.complaint)
	assert.Contains(t, s.text(), "SIGSEGV")
	assert.Contains(t, s.text(), `"ended":"exit code 2"`)
	threadsAfter, residentAfter := size(t, cmd.Process.Pid)
	t.Logf("the parent: %d threads and %d kB before, %d and %d after", threads, resident, threadsAfter, residentAfter)
	assert.LessOrEqual(t, threadsAfter, threads+3)
	assert.LessOrEqual(t, residentAfter, resident+8<<10)
	s.stop(t)
}

// size reads a process's threads and resident memory in kB.
func size(t *testing.T, pid int) (threads, resident int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for _, line := range bytes.Split(text, []byte("\n")) {
		_, _ = fmt.Sscanf(string(line), "Threads:\t%d", &threads)
		_, _ = fmt.Sscanf(string(line), "VmRSS:\t%d kB", &resident)
	}
	require.Positive(t, resident)
	return threads, resident
}

// The hook is no part of what users get.
func TestNoHookInTheProgram(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.GoFiles}} {{.CgoFiles}}", "../../internal/fault").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "[off.go] []", strings.TrimSpace(string(out)))
}
