package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// manager plays systemd: it holds the socket, and hears what the service says.
type manager struct {
	url string
	mu  sync.Mutex
	got []string
}

func (m *manager) has(state string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.got {
		if strings.Contains("\n"+g+"\n", "\n"+state+"\n") {
			return true
		}
	}
	return false
}

func (m *manager) said() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.got, "; ")
}

// activate makes cmd a service of the manager: LISTEN_PID must be its process id, so a shell says it.
func activate(t *testing.T, cmd *exec.Cmd) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // t.TempDir's path may be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = notify.Close() })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	file, err := ln.(*net.TCPListener).File()
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })

	m := &manager{url: "http://" + ln.Addr().String()}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := notify.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.got = append(m.got, string(buf[:n]))
			m.mu.Unlock()
		}
	}()
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.ExtraFiles = []*os.File{file}
	cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=http", "WATCHDOG_USEC=400000", "NOTIFY_SOCKET="+filepath.Join(dir, "s"))
	return m
}

// TestServiceOfSystemd starts the server as systemd does, with a socket and a watchdog, without and with a supervisor.
func TestServiceOfSystemd(t *testing.T) {
	torchtest.Need(t)
	f := func(name string, args ...string) {
		t.Run(name, func(t *testing.T) {
			cmd := command(t, append([]string{"serve", "--addr", "127.0.0.1:1", "--max-batch-size", "4"}, args...)...)
			m := activate(t, cmd)
			var log strings.Builder
			cmd.Stderr = &log
			require.NoError(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			await(t, func() bool { return m.has("READY=1") }, m.said)
			_, status, err := post(http.DefaultClient, m.url, "image/jpeg", photo(t, 50, 40, 1))
			require.NoError(t, err)
			assert.Equal(t, 200, status)
			await(t, func() bool { return m.has("WATCHDOG=1") }, m.said)
			assert.False(t, m.has("STOPPING=1"))
			if len(args) > 0 {
				require.NoError(t, cmd.Process.Signal(syscall.SIGUSR2))
				await(t, func() bool { return m.has("RELOADING=1") }, m.said)
				assert.Contains(t, m.said(), "MONOTONIC_USEC=")
			}
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, cmd.Wait(), log.String())
			await(t, func() bool { return m.has("STOPPING=1") }, m.said)
		})
	}
	f("alone")
	f("supervised", "--supervise")
}

// Two processes share a port: the second takes connections when its model is loaded, the first is told to stop, and nobody notices.
func TestReusePortLosesNothing(t *testing.T) {
	torchtest.Need(t)
	reserve, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := reserve.Addr().String()
	require.NoError(t, reserve.Close())
	args := []string{"--addr", addr, "--reuse-port", "--max-batch-size", "4", "--drain-grace", "200ms"}
	first := serveModel(t, args...)
	ctx, cancel := context.WithCancel(t.Context())
	c, wg := load(ctx, t, first.url, "", 4, true)
	await(t, func() bool { return c.answered.Load() > 10 }, c.String)
	second := serveModel(t, args...)
	first.stop(t)
	before := c.answered.Load()
	await(t, func() bool { return c.answered.Load() > before+20 }, c.String)
	cancel()
	wg.Wait()
	second.stop(t)
	t.Log(c)
	assert.Zero(t, c.lost.Load()+c.refused.Load()+c.notReady.Load()+c.crossed.Load(), "%s %q", c, c.complaint)
	assert.LessOrEqual(t, c.unread.Load(), int64(1), "connections between the last look at the backlog and the close: %q", c.complaint)
}
