package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// supervised is a torchlit serve --supervise under test.
type supervised struct {
	cmd  *exec.Cmd
	url  string
	done chan error

	mu      sync.Mutex
	log     strings.Builder
	workers []int // that became ready, in order
	pids    []int // that were started
}

// startSupervised runs cmd, a serve --supervise, until its first worker is ready.
func startSupervised(t testing.TB, cmd *exec.Cmd) *supervised {
	t.Helper()
	s := &supervised{cmd: cmd, done: make(chan error, 1)}
	stderr, w, err := os.Pipe() // not StderrPipe: a worker may hold it longer than the supervisor lives
	require.NoError(t, err)
	cmd.Stderr = w
	require.NoError(t, cmd.Start())
	_ = w.Close()
	go s.read(stderr)
	go func() { s.done <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, pid := range s.pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	s.awaitReady(t, 1)
	return s
}

func (s *supervised) read(r io.Reader) {
	var line []byte
	buf := make([]byte, 1)
	for {
		if _, err := r.Read(buf); err != nil {
			return
		}
		if buf[0] != '\n' {
			line = append(line, buf[0])
			continue
		}
		s.line(line)
		line = line[:0]
	}
}

func (s *supervised) line(text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l struct {
		Msg, Bound string
		Worker     int
	}
	if json.Unmarshal(text, &l) == nil {
		if l.Bound != "" {
			s.url = "http://" + l.Bound
		}
		switch l.Msg {
		case "worker ready":
			s.workers = append(s.workers, l.Worker)
		case "worker started", "replacing the worker":
			s.pids = append(s.pids, l.Worker)
		}
	}
	s.log.Write(text)
	s.log.WriteByte('\n')
}

func (s *supervised) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func (s *supervised) readyWorkers() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int{}, s.workers...)
}

// awaitReady waits until n workers have become ready since the start, and returns the last.
func (s *supervised) awaitReady(t testing.TB, n int) int {
	t.Helper()
	await(t, func() bool { return len(s.readyWorkers()) >= n }, s.text)
	return s.readyWorkers()[n-1]
}

func await(t testing.TB, done func() bool, says func() string) {
	t.Helper()
	for begun := time.Now(); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("it did not happen within a minute:\n%s", says())
		}
	}
}

// stop sends SIGTERM and expects exit 0.
func (s *supervised) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.done:
		require.NoError(t, err, s.text())
	case <-time.After(time.Minute):
		t.Fatalf("the supervisor does not end:\n%s", s.text())
	}
}

func superviseCommand(t testing.TB, args ...string) *exec.Cmd {
	torchtest.Need(t)
	return command(t, append([]string{"serve", "--supervise", "--addr", "127.0.0.1:0", "--max-batch-size", "4"}, args...)...)
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// status is that of GET url; 0 when there was no answer.
func statusOf(url string) (status int, body string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data)
}

// Workers are replaced one after another while clients ask without pause, on kept connections and on fresh ones: no request fails.
func TestReplacingWorkersLosesNothing(t *testing.T) {
	s := startSupervised(t, superviseCommand(t))
	ctx, cancel := context.WithCancel(t.Context())
	c, wg := load(ctx, t, s.url, "", 8, true)
	const replacements = 3
	for i := range replacements {
		old := s.awaitReady(t, i+1)
		before := c.answered.Load()
		require.NoError(t, s.cmd.Process.Signal(syscall.SIGUSR2))
		s.awaitReady(t, i+2)
		await(t, func() bool { return !alive(old) }, s.text)
		await(t, func() bool { return c.answered.Load() > before+20 }, c.String)
	}
	cancel()
	wg.Wait()
	s.stop(t)
	t.Logf("%d replacements: %s", replacements, c)
	assert.Zero(t, c.lost.Load()+c.unread.Load()+c.refused.Load()+c.notReady.Load()+c.crossed.Load(), "%s %q", c, c.complaint)
}

// A worker is killed: what it was answering fails, connections that come next wait, and /readyz is false until another has loaded.
func TestKilledWorkerIsRestarted(t *testing.T) {
	s := startSupervised(t, superviseCommand(t))
	first := s.awaitReady(t, 1)
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	await(t, func() bool { return strings.Contains(s.text(), "worker died") }, s.text)
	live, _ := statusOf(s.url + "/healthz")
	ready, why := statusOf(s.url + "/readyz")
	if len(s.readyWorkers()) == 1 { // else it was faster than we
		assert.Equal(t, 503, ready)
		assert.Contains(t, why, "loading")
	}
	assert.Equal(t, 200, live)
	second := s.awaitReady(t, 2)
	assert.NotEqual(t, first, second)
	ready, why = statusOf(s.url + "/readyz")
	assert.Equal(t, 200, ready, why)
	assert.EqualValues(t, 1, metric(t, s.url, "torchlit_worker_restarts_total"))
	assert.Contains(t, s.text(), "killed by killed")
	s.stop(t)
}

// The worker must not outlive its supervisor.
func TestKilledSupervisorTakesItsWorker(t *testing.T) {
	s := startSupervised(t, superviseCommand(t, "--drain-grace", "1h"))
	worker := s.awaitReady(t, 1)
	require.NoError(t, s.cmd.Process.Kill())
	<-s.done
	await(t, func() bool { return !alive(worker) || zombie(worker) }, s.text)
	status, _ := statusOf(s.url + "/healthz")
	assert.Zero(t, status, "somebody still listens")
}

// zombie reports whether the process has ended and nobody has asked how: in a container without init it stays so.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return err != nil || bytes.HasPrefix(after, []byte("Z"))
}

// A replacement that cannot start leaves the old worker as it is.
func TestFailedReplacementChangesNothing(t *testing.T) {
	root := bundledAs(t, "m")
	s := startSupervised(t, superviseCommand(t, "--models", root))
	worker := s.awaitReady(t, 1)
	require.NoError(t, os.RemoveAll(filepath.Join(root, "m")))
	require.NoError(t, os.Remove(root))
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGUSR2))
	await(t, func() bool { return strings.Contains(s.text(), "cannot replace the worker") }, s.text)
	assert.True(t, alive(worker))
	status, _ := statusOf(s.url + "/healthz")
	assert.Equal(t, 200, status)
	s.stop(t)
}

// Three workers in a row that cannot start are enough; the exit code is theirs.
func TestSupervisorGivesUp(t *testing.T) {
	_, stderr, code := runCommand(t, "serve", "--supervise", "--addr", "127.0.0.1:0", "--models", "/nowhere")
	assert.Equal(t, 1, code)
	assert.Equal(t, 3, strings.Count(stderr, "worker started"), stderr)
	assert.Contains(t, stderr, "3 in a row ended before they were ready")
}

// A second SIGTERM ends the grace time.
func TestSecondSignalHastens(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--drain-grace", "1h", "--max-batch-size", "4")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	await(t, func() bool { ready, _ := statusOf(s.url + "/readyz"); return ready == 503 }, func() string { return "still ready" })
	_, status, err := post(http.DefaultClient, s.url, "image/jpeg", photo(t, 50, 40, 1))
	require.NoError(t, err)
	assert.Equal(t, 200, status, "served in the grace time")
	s.stop(t) // the second signal; it expects exit 0 within a minute
}

// With --supervise likewise: the second signal is passed on.
func TestSecondSignalHastensWorker(t *testing.T) {
	s := startSupervised(t, superviseCommand(t, "--drain-grace", "1h"))
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	await(t, func() bool { ready, _ := statusOf(s.url + "/readyz"); return ready == 503 }, s.text)
	s.stop(t)
}

// A third signal cuts off a request that does not end, and says so.
func TestThirdSignalCutsOff(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--max-batch-size", "4", "--drain-grace", "1h")
	pipe, slow := io.Pipe()
	defer slow.Close()
	go func() {
		req, _ := http.NewRequest(http.MethodPost, s.url+"/v1/classify", pipe)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	_, err := slow.Write([]byte("the first bytes of an upload"))
	require.NoError(t, err)
	process := s.cmd.Process
	s.cmd = nil
	for range 3 {
		require.NoError(t, process.Signal(syscall.SIGTERM))
		time.Sleep(100 * time.Millisecond) // signals of one kind that wait are one
	}
	select {
	case err := <-s.done:
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		assert.Equal(t, 1, exit.ExitCode())
		assert.Contains(t, s.log.String(), "1 connections are still open: a third signal came")
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
}

// A load balancer looks away some time after the SIGTERM. Until then new connections come, and each is served.
func TestGraceTimeServesNewConnections(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--drain-grace", "1500ms", "--max-batch-size", "4")
	ctx, cancel := context.WithCancel(t.Context())
	c, wg := load(ctx, t, s.url, "", 6, false)
	await(t, func() bool { return c.answered.Load() > 5 }, c.String)
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	time.Sleep(time.Second) // the lag of the endpoints' removal
	cancel()
	wg.Wait()
	assert.Zero(t, c.lost.Load()+c.unread.Load()+c.refused.Load()+c.notReady.Load()+c.crossed.Load(), "%s %q", c, c.complaint)
	cmd := s.cmd
	s.cmd = nil
	require.NoError(t, <-s.done, "%v", cmd)
}
