package soak

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program returns the program under test: bin/torchlit, as make build leaves it.
func program(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/torchlit")
	require.NoError(t, err)
	if _, err := os.Stat(path); err != nil {
		reason := "bin/torchlit is not there: make build"
		if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	return path
}

// server is a torchlit serve of its own process.
type server struct {
	addr, grpc string // host:port
	cmd        *exec.Cmd
	done       chan error

	mu       sync.Mutex
	complain []string // lines of its log that are errors, or no log lines at all
}

// start starts a server and waits until it is ready. It is stopped when the test ends, and must exit with 0.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{done: make(chan error, 1)}
	s.cmd = exec.Command(program(t), append([]string{"serve", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"}, args...)...)
	stderr, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	ready := make(chan struct{})
	go func() {
		s.readLog(stderr, ready)
		s.done <- s.cmd.Wait()
	}()
	t.Cleanup(func() { s.stop(t) })
	select {
	case <-ready:
	case err := <-s.done:
		s.done <- err
		t.Fatalf("the server ended: %v\n%s", err, s.complaints())
	case <-time.After(2 * time.Minute):
		t.Fatal("the server is not ready after two minutes")
	}
	return s
}

func (s *server) readLog(stderr io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Level, Msg, Page, Model string
			GRPCAddr                string `json:"grpc_addr"`
		}
		switch err := json.Unmarshal(lines.Bytes(), &line); {
		case line.Level == "error" && line.Model == guest && strings.HasPrefix(line.Msg, "model cannot be loaded"): // by the operator's damage
		case err != nil, line.Level == "error":
			s.mu.Lock()
			s.complain = append(s.complain, lines.Text())
			s.mu.Unlock()
		case line.Msg == "ready":
			s.addr = strings.TrimSuffix(strings.TrimPrefix(line.Page, "http://"), "/")
			close(ready)
		}
		if line.GRPCAddr != "" {
			s.grpc = line.GRPCAddr
		}
	}
}

func (s *server) complaints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.complain
}

// stop sends SIGTERM and expects a clean end.
func (s *server) stop(t testing.TB) {
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.done:
		require.NoError(t, err, strings.Join(s.complaints(), "\n"))
	case <-time.After(2 * time.Minute):
		s.cmd.Process.Kill()
		t.Fatal("the server does not stop")
	}
}

func (s *server) url() string { return "http://" + s.addr }

// The models: the bundled one, two versions of a small one of which only the temperature differs, and a guest that comes and goes.
const (
	bundled = "cifar10-resnet18"
	small   = "tiny"
	guest   = "guest"
)

// smallSide is the width and height of the small model's images, and smallClasses its number of classes.
const smallSide, smallClasses = 8, 4

// models makes the folder that is served.
func models(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(root, bundled, "1"), os.DirFS("../../models/"+bundled)))
	writeSmall(t, filepath.Join(root, small, "1"), 1)
	writeSmall(t, filepath.Join(root, small, "2"), 3)
	writeSmall(t, filepath.Join(root, guest, "1"), 2)
	return root
}

func writeSmall(t testing.TB, dir string, temperature float64) {
	t.Helper()
	module, err := os.ReadFile("../../predict/testdata/scripts/plain.pt")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("model.pt", string(module))
	write("config.json", fmt.Sprintf(`{"num_classes": %d, "label_names": ["a", "b", "c", "d"], "pretrained_cfg": {"input_size": [3, %d, %d],
		"interpolation": "bilinear", "crop_pct": 1, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}`,
		smallClasses, smallSide, smallSide))
	write("torchlit.json", fmt.Sprintf(`{"temperature": %g}`, temperature))
}

// dial connects to the server.
func (s *server) dial() (net.Conn, error) { return net.DialTimeout("tcp", s.addr, 10*time.Second) }
