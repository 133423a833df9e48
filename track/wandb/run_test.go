package wandb

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/torchlit/torchlit/track"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start begins a run, without a server and its settings from the environment.
func start(t *testing.T, opts Options, info track.Run) *run {
	t.Helper()
	for _, name := range []string{"PROJECT", "ENTITY", "NAME", "RUN_ID", "RUN_GROUP", "JOB_TYPE", "TAGS", "NOTES", "MODE", "DISABLED", "DIR", "RESUME", "HOST"} {
		unset(t, "WANDB_"+name)
	}
	tracker, err := New(opts, info)
	require.NoError(t, err)
	return tracker.(*run)
}

// unset removes an environment variable until the test ends.
func unset(t *testing.T, name string) {
	t.Setenv(name, "") // restores it
	require.NoError(t, os.Unsetenv(name))
}

// kill leaves the run as a killed process does.
func (r *run) kill() {
	r.stop()
	if r.upload != nil {
		r.upload.cancel()
		<-r.upload.done
	}
	r.log.file.Close()
}

// recordWholeRun records a run with all that a tracker takes, and returns its
// folder. The model is made at the path, if one is given.
func recordWholeRun(t *testing.T, mode string, model ...string) string {
	t.Helper()
	dir := t.TempDir()
	if len(model) == 0 {
		model = []string{filepath.Join(t.TempDir(), "model")}
	}
	write(t, filepath.Join(model[0], "config.json"), "{}")
	write(t, filepath.Join(model[0], "sub", "model.safetensors"), "weights")
	data := filepath.Join(dir, "data")
	write(t, filepath.Join(data, "train", "1.png"), "pixels")

	r := start(t, Options{
		Mode: mode, Project: "cifar", Entity: "us", ID: "abc123", Group: "grp", JobType: "train", Notes: "why",
		Tags: []string{"a"}, LogModel: "true", Summary: map[string]string{"val_acc": "max,last"},
	}, track.Run{
		Name: "nightly", Dir: dir, Tags: []string{"b", "a"}, Overrides: []string{"optim.lr=0.1"},
		Config: map[string]any{"optim": map[string]any{"lr": 0.1, "name": "sgd"}, "layers": []any{2, 2}, "note": nil},
		Warn:   func(s string) { t.Error(s) },
	})
	require.NoError(t, r.Log(50, map[string]float64{"train_loss": 2.5, "epoch": 0}))
	require.NoError(t, r.Artifact("cifar10", "dataset", data))
	require.NoError(t, r.Log(100, map[string]float64{"train_loss": 1.5}))
	require.NoError(t, r.Log(100, map[string]float64{"val_acc": 0.5}))
	require.NoError(t, r.Histogram(100, "weights", []float32{1, 2, 3}))
	require.NoError(t, r.Image(100, "confusion", picturePNG(t, 3), "epoch 1"))
	require.NoError(t, r.Log(150, map[string]float64{"train_loss": nan, "val_acc": 0.25}))
	require.NoError(t, r.Image(150, "worst", picturePNG(t, 4), "a cat"))
	require.NoError(t, r.Image(150, "worst", picturePNG(t, 5), "a dog"))
	require.NoError(t, r.Artifact("model", "model", model[0]))
	require.NoError(t, r.Finish(track.StatusFinished, map[string]float64{"test_acc": 0.75}))
	return r.dir
}

var nan = func() float64 { var zero float64; return zero / zero }()

func picturePNG(t *testing.T, shade uint8) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 4, 3))
	m.Pix[0] = shade
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

// only returns the one path that matches.
func only(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.Len(t, paths, 1, pattern)
	return paths[0]
}

// entries are the names in a folder.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}
