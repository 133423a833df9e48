package trackers

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"github.com/torchlit/torchlit/track"
)

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() { // the developer's own servers are not for tests
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "MLFLOW_") || strings.HasPrefix(name, "WANDB_") {
			os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

const all = `
tags: [cifar, baseline]
csv: true
tensorboard: {enabled: true}
mlflow:
  enabled: true
  tracking_uri: %URI%
  experiment_name: first
  registered_model_name: resnet
  log_model: true
  finish_timeout: 200ms
wandb: {enabled: true, project: vision, mode: offline, stats_interval: -1s, log_model: "true"}
dvclive: {enabled: true}
`

func parse(t *testing.T, text string) Config {
	t.Helper()
	cfg := Default()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	require.NoError(t, d.Decode(&cfg))
	return cfg
}

// TestOpenAll records a run with every tracker there is while the server hangs: the run
// does not wait for it, and every tracker leaves its files.
func TestOpenAll(t *testing.T) {
	defer goleak.VerifyNone(t)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)
	dir := t.TempDir()
	var said []string
	run := track.Run{Name: "run", Dir: dir, Config: map[string]any{"seed": 1}, Warn: func(s string) { said = append(said, s) }}
	tr, err := Open(parse(t, strings.ReplaceAll(all, "%URI%", server.URL)), run)
	require.NoError(t, err)
	start := time.Now()
	const steps = 200
	for step := int64(1); step <= steps; step++ {
		require.NoError(t, tr.Log(step, map[string]float64{"loss": 1 / float64(step)}))
	}
	require.Less(t, time.Since(start), 2*time.Second, "nothing waits for the server")
	require.NoError(t, tr.Histogram(steps, "weights", []float32{1, 2, 3}))
	require.NoError(t, tr.Finish(track.StatusFinished, map[string]float64{"best": 1}))
	require.Less(t, time.Since(start), 10*time.Second)

	require.Len(t, said, 1, "%q", said)
	require.Contains(t, said[0], "torchlit upload "+dir)
	csv, err := os.ReadFile(filepath.Join(dir, "metrics.csv"))
	require.NoError(t, err)
	require.Equal(t, steps+1, bytes.Count(csv, []byte("\n")))
	hparams, err := os.ReadFile(filepath.Join(dir, "hparams.yaml"))
	require.NoError(t, err)
	require.Equal(t, "seed: 1\n", string(hparams))
	for _, pattern := range []string{
		"events.out.tfevents.*", "wandb/offline-run-*/run-*.wandb", "dvclive/plots/metrics/loss.tsv", "mlflow/run.json", "mlflow/spool",
	} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		require.Len(t, found, 1, pattern)
	}
}

func TestOpenResumes(t *testing.T) {
	dir := t.TempDir()
	cfg := parse(t, "dvclive: {enabled: true, dir: "+filepath.Join(dir, "live")+"}\ntensorboard: {dir: "+filepath.Join(dir, "tb")+"}")
	for _, run := range []track.Run{{Dir: dir}, {Dir: dir, Resumed: true, Step: 2}} {
		tr, err := Open(cfg, run)
		require.NoError(t, err)
		for step := run.Step + 1; step <= run.Step+3; step++ {
			require.NoError(t, tr.Log(step, map[string]float64{"loss": float64(step)}))
		}
		require.NoError(t, tr.Finish(track.StatusInterrupted, nil))
	}
	for file, want := range map[string]string{
		"metrics.csv": "loss,step\n1,1\n2,2\n3,3\n4,4\n5,5\n", "live/plots/metrics/loss.tsv": "step\tloss\n1\t1\n2\t2\n3\t3\n4\t4\n5\t5\n",
	} {
		got, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	events, err := filepath.Glob(filepath.Join(dir, "tb", "events*"))
	require.NoError(t, err)
	require.Len(t, events, 2)
}

// TestOpenRefusesWrongSettings: and leaves nothing open behind.
func TestOpenRefusesWrongSettings(t *testing.T) {
	defer goleak.VerifyNone(t)
	f := func(text, want string) {
		t.Helper()
		_, err := Open(parse(t, text), track.Run{Dir: t.TempDir()})
		require.ErrorContains(t, err, want)
	}
	f("mlflow: {enabled: true, tracking_uri: ftp://host}", "set track.mlflow.tracking_uri or MLFLOW_TRACKING_URI")
	f("wandb: {enabled: true, mode: sideways}", "choose from online, offline, disabled")
}

func TestNothingIsATracker(t *testing.T) {
	dir := t.TempDir()
	tr, err := Open(Config{}, track.Run{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, tr.Log(1, map[string]float64{"loss": 1}))
	require.NoError(t, tr.Finish(track.StatusFinished, nil))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
	sent, err := Upload(t.Context(), dir, nil)
	require.NoError(t, err)
	require.Zero(t, sent)
}
