package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// bundledModels is where they are, from this folder.
const bundledModels = "../../models"

// plainPNG is a picture of one colour.
func plainPNG(t testing.TB, c color.Color) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 40, 40))
	for i := range 40 * 40 {
		img.Set(i%40, i/40, c)
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

// load asks s for answers from several clients until it is ended, some on connections that are kept, some on a fresh one each time.
type load struct {
	answered, refused, failed atomic.Int64
	errs                      sync.Map
	end                       func()
}

func startLoad(t testing.TB, url string, image []byte) *load {
	l := &load{}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: time.Minute}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-done:
					return
				default:
				}
				a, status, err := post(client, url, "image/png", image)
				switch {
				case err != nil:
					l.failed.Add(1)
					l.errs.Store(err.Error(), true)
					time.Sleep(10 * time.Millisecond)
				case status == http.StatusOK:
					l.answered.Add(1)
				case status == http.StatusServiceUnavailable:
					l.refused.Add(1)
					time.Sleep(10 * time.Millisecond)
				default:
					l.failed.Add(1)
					l.errs.Store(a.Error, true)
				}
			}
		})
	}
	l.end = func() { close(done); wg.Wait() }
	return l
}

// workerOf finds the worker of a supervisor.
func workerOf(t testing.TB, pid int) int {
	t.Helper()
	children, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, path := range children {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		after := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
		var parent, child int
		if json.Unmarshal(after[1], &parent) == nil && parent == pid && json.Unmarshal(data[:bytes.IndexByte(data, ' ')], &child) == nil {
			return child
		}
	}
	return 0
}

// waitReady waits for /readyz to say yes, and returns how often it said no.
func waitReady(t testing.TB, url string) (no int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		resp, err := http.Get(url + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return no
			}
			assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
			no++
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the server is not ready after a minute")
	return no
}

// A worker that dies is replaced on the same socket; who was not with it loses nothing.
func TestSuperviseRestartsAWorker(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", bundledModels, "--supervise")
	pid := s.cmd.Process.Pid
	first := workerOf(t, pid)
	require.NotZero(t, first)
	for i := range 3 {
		worker := workerOf(t, pid)
		require.NoError(t, syscall.Kill(worker, syscall.SIGKILL))
		waitReady(t, s.url)
		assert.NotEqual(t, worker, workerOf(t, pid))
		assert.Equal(t, float64(i+1), metric(t, s.url, "torchlit_worker_restarts_total"))
	}
}

// SIGUSR2 replaces the worker, and no request fails, is refused or loses its connection.
func TestSuperviseReplacesAWorker(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", bundledModels, "--supervise", "--drain-grace", "100ms")
	l := startLoad(t, s.url, plainPNG(t, color.White))
	pid := s.cmd.Process.Pid
	for i := range 3 {
		require.NoError(t, s.cmd.Process.Signal(syscall.SIGUSR2))
		for metric(t, s.url, "torchlit_worker_restarts_total") != float64(i+1) {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)
	}
	l.end()
	assert.NotZero(t, l.answered.Load())
	assert.Zero(t, l.refused.Load())
	if !assert.Zero(t, l.failed.Load()) {
		l.errs.Range(func(k, _ any) bool { t.Log(k); return true })
	}
	assert.NotZero(t, workerOf(t, pid))
}

// The worker goes with its supervisor, even when that is killed.
func TestSuperviseWorkerGoesToo(t *testing.T) {
	torchtest.Need(t)
	s := serveModel(t, "--models", bundledModels, "--supervise")
	worker := workerOf(t, s.cmd.Process.Pid)
	require.NotZero(t, worker)
	require.NoError(t, s.cmd.Process.Kill())
	s.cmd = nil
	<-s.done
	for end := time.Now().Add(20 * time.Second); syscall.Kill(worker, 0) == nil; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "the worker lives on")
	}
}

// What is wrong from the beginning ends the supervisor as it would have ended the server.
func TestSuperviseTellsMistakes(t *testing.T) {
	f := func(code int, says string, args ...string) {
		t.Helper()
		_, stderr, got := runCommand(t, append([]string{"serve", "--supervise", "--addr", "127.0.0.1:0"}, args...)...)
		assert.Equal(t, code, got, stderr)
		assert.Equal(t, 1, bytes.Count([]byte(stderr), []byte(says)), stderr)
	}
	f(1, "no such file", "--models", "/nowhere")
	f(2, "--trace-ratio must be", "--trace-ratio", "3")
	f(1, "cannot listen", "--addr", "192.0.2.1:1")
}

// A fault in native code costs the requests that are under way, and no other; /readyz says no until the model is there again.
func TestSuperviseOutlivesANativeCrash(t *testing.T) {
	torchtest.Need(t)
	binary := filepath.Join(t.TempDir(), "torchlit")
	out, err := exec.Command("go", "build", "-tags", "faults", "-buildvcs=false", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	s := serveProgram(t, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args[0] = binary, binary
		cmd.Env = append(os.Environ(), "TORCHLIT_FAULT_SEGV=ff00ff", "TORCHLIT_NATIVE="+filepath.Join(root, ".deps/native/libtorchlit.so"))
	}, "--supervise", "--models", filepath.Join(root, "models"))

	l := startLoad(t, s.url, plainPNG(t, color.White))
	for range 3 {
		before := metric(t, s.url, "torchlit_worker_restarts_total")
		_, _, err := post(http.DefaultClient, s.url, "image/png", plainPNG(t, color.RGBA{255, 0, 255, 255}))
		assert.Error(t, err, "the connection of the poisoned request is lost")
		assert.NotZero(t, waitReady(t, s.url), "/readyz never said no")
		assert.Equal(t, before+1, metric(t, s.url, "torchlit_worker_restarts_total"))
	}
	l.end()
	assert.NotZero(t, l.answered.Load())
	assert.LessOrEqual(t, l.failed.Load(), int64(3*4), "more failed than were under way")
	s.stop(t)
	assert.Contains(t, s.log.String(), "the worker has died; another is started")
}
