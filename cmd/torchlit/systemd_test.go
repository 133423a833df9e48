//go:build linux

package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// The test plays systemd: it opens the socket, hears that the service is ready, well and stopping, and may stop and start it
// with nobody refused in between.
func TestSystemd(t *testing.T) {
	torchtest.Need(t)
	notices, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	require.NoError(t, err)
	defer notices.Close()
	hear := func(want string) {
		t.Helper()
		var b [256]byte
		_ = notices.SetReadDeadline(time.Now().Add(time.Minute))
		for {
			n, err := notices.Read(b[:])
			require.NoError(t, err, "waiting for %s", want)
			if string(b[:n]) == want {
				return
			}
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	require.NoError(t, err)
	defer socket.Close()

	f := func(args ...string) {
		t.Helper()
		s := serveProgram(t, func(cmd *exec.Cmd) {
			cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/sh"
			cmd.ExtraFiles = []*os.File{socket}
			cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=torchlit.socket", "WATCHDOG_USEC=200000", "NOTIFY_SOCKET="+notices.LocalAddr().String())
		}, append([]string{"--models", bundledModels}, args...)...)
		hear("READY=1")
		hear("WATCHDOG=1")
		resp, err := http.Get("http://" + ln.Addr().String() + "/readyz")
		require.NoError(t, err)
		_ = resp.Body.Close()
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		s.stop(t)
		hear("STOPPING=1")
	}
	f()
	waiting, err := net.Dial("tcp", ln.Addr().String()) // nobody serves now, and nobody is refused
	require.NoError(t, err)
	defer waiting.Close()
	f("--supervise")
}

// Two servers share a port, so that one can be replaced by the other.
func TestReusePort(t *testing.T) {
	torchtest.Need(t)
	first := serveModel(t, "--models", bundledModels, "--reuse-port")
	second := serveProgram(t, func(cmd *exec.Cmd) {}, "--models", bundledModels, "--reuse-port", "--addr", first.url[len("http://"):])
	assert.Equal(t, first.url, second.url)
	l := startLoad(t, first.url, photo(t, 40, 30, 5))
	time.Sleep(200 * time.Millisecond)
	second.stop(t)
	time.Sleep(200 * time.Millisecond)
	l.end()
	assert.NotZero(t, l.answered.Load())
	_, stderr, code := runCommand(t, "serve", "--addr", first.url[len("http://"):])
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "choose another address with --addr")
}
