package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/torchlit/torchlit/torch/torchtest"
)

func TestConnsWithin(t *testing.T) {
	f := func(files uint64, grpc bool, want int) {
		t.Helper()
		assert.Equal(t, want, connsWithin(files, grpc))
	}
	f(1024, false, 896)
	f(1024, true, 448)
	f(200, false, 100)
	f(2, true, 1)
	f(1<<63, false, 1<<30-128)
}

// limitFiles makes cmd run with so many open files at most.
func limitFiles(cmd *exec.Cmd, soft, hard int) {
	cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -Sn %d && ulimit -Hn %d && exec "$0" "$@"`, soft, hard), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}

// Where few files may be open the connections are fewer, and the soft limit is raised as far as it goes.
func TestFewFiles(t *testing.T) {
	torchtest.Need(t)
	s := serveProgram(t, func(cmd *exec.Cmd) { limitFiles(cmd, 200, 300) })
	files := metric(t, s.url, "process_max_fds") // Go leaves one below the hard limit
	assert.InDelta(t, 300, files, 1)
	assert.EqualValues(t, files-128, metric(t, s.url, "torchlit_connections_max"))
	_, status, err := post(http.DefaultClient, s.url, "image/jpeg", photo(t, 64, 64, 1))
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	s.stop(t)
	assert.Contains(t, s.log.String(), "warn --max-conns is lowered")
}

// A server without a descriptor left serves whom it has, tells others 503, and takes them again when there are some.
func TestNoFilesLeft(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t)
	image := photo(t, 64, 64, 1)
	kept, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer kept.Close()
	reader := bufio.NewReader(kept)
	ask := func() {
		t.Helper()
		_, err := fmt.Fprintf(kept, "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s", len(image), image)
		require.NoError(t, err)
		resp, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		assert.Equal(t, 200, resp.StatusCode)
	}
	ask()

	// The limit is put to what is open now: the numbers below it are taken, so there is no other.
	pid := s.cmd.Process.Pid
	var before unix.Rlimit
	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before))
	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: lowestFree(t, pid), Max: before.Max}, nil))
	for range 5 { // who comes is answered before he has asked
		fresh, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		require.NoError(t, err)
		defer fresh.Close()
		resp, err := http.ReadResponse(bufio.NewReader(fresh), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, 503, resp.StatusCode)
		assert.Contains(t, string(body), `"too_many_connections"`)
		assert.Equal(t, "1", resp.Header.Get("Retry-After"))
	}
	ask()
	used := cpuTime(t, pid)
	time.Sleep(300 * time.Millisecond)
	assert.Less(t, cpuTime(t, pid)-used, 100*time.Millisecond, "the server is busy although nobody comes")

	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil))
	_, status, err := post(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, s.url, "image/jpeg", image)
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	assert.GreaterOrEqual(t, metric(t, s.url, "torchlit_accept_errors_total"), 5.0)
	ask()
	s.stop(t)
	assert.Contains(t, s.log.String(), "warn cannot accept connections for the time being")
	assert.Equal(t, 1, bytes.Count(s.log.Bytes(), []byte("cannot accept connections")), "it is said too often")
}

// lowestFree is the least number that no open file of a process has.
func lowestFree(t *testing.T, pid int) uint64 {
	t.Helper()
	for n := uint64(0); ; n++ {
		if _, err := os.Lstat(filepath.Join("/proc", fmt.Sprint(pid), "fd", fmt.Sprint(n))); err != nil {
			return n
		}
	}
}

// cpuTime is what a process has used so far.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	require.NoError(t, err)
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	var user, system int64
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	require.NoError(t, err)
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}
