package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/track"
	"github.com/torchlit/torchlit/track/trackers"
)

// mlflowServer answers as far as the records of a small run need it, and notes what
// was called.
type mlflowServer struct {
	mu    sync.Mutex
	calls []string
}

func (s *mlflowServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := strings.TrimPrefix(r.URL.Path, "/api/2.0/mlflow/")
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	experiment := map[string]any{"experiment_id": "1", "lifecycle_stage": "active", "artifact_location": "mlflow-artifacts:/1"}
	info := map[string]any{"run_id": "abc", "experiment_id": "1", "artifact_uri": "mlflow-artifacts:/1/abc/artifacts", "lifecycle_stage": "active"}
	json.NewEncoder(w).Encode(map[string]any{
		"experiment": experiment, "experiment_id": "1", "run": map[string]any{"info": info, "data": map[string]any{}},
	})
}

// A run whose server was down leaves its records; upload sends them, once.
func TestUpload(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	run := t.TempDir()
	cfg := trackers.Config{MLflow: trackers.MLflow{Enabled: true, TrackingURI: "http://" + address, FinishTimeout: time.Millisecond}}
	tracker, err := trackers.Open(cfg, track.Run{Name: "one", Dir: run, Warn: func(string) {}})
	require.NoError(t, err)
	require.NoError(t, tracker.Log(1, map[string]float64{"loss": 2}))
	_ = tracker.Finish(track.StatusFinished, nil) // may say that some is left

	s := &mlflowServer{}
	server := httptest.NewUnstartedServer(s)
	server.Listener.Close()
	server.Listener, err = net.Listen("tcp", address)
	require.NoError(t, err)
	server.Start()
	defer server.Close()
	out, stderr, code := runCommand(t, "upload", run)
	require.Zero(t, code, stderr)
	assert.Regexp(t, `: sent \d+ records`, out)
	assert.Contains(t, s.calls, "runs/create")
	assert.Contains(t, s.calls, "runs/log-batch")

	out, stderr, code = runCommand(t, "upload", run)
	require.Zero(t, code, stderr)
	assert.Contains(t, out, run+": nothing was left to send")
}

func TestUploadErrors(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	out, stderr, code := runCommand(t, "upload", gone, t.TempDir())
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "it is no folder; name a run folder")
	assert.Contains(t, out, "nothing was left to send", "the second folder had its turn")
	_, _, code = runCommand(t, "upload")
	assert.Equal(t, 2, code)
}
