package dvclive

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/track"
)

func read(t *testing.T, parts ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	require.NoError(t, err)
	return string(data)
}

func TestLayout(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "dvclive")
	tr, err := New(dir, track.Run{Config: map[string]any{"optim": map[string]any{"lr": 0.1}}})
	require.NoError(t, err)
	require.Equal(t, "{}\n", read(t, dir, "metrics.json"))
	require.Equal(t, "optim:\n    lr: 0.1\n", read(t, dir, "params.yaml"))
	require.Equal(t, "params:\n    - params.yaml\nmetrics:\n    - metrics.json\n", read(t, dir, "dvc.yaml"))

	require.NoError(t, tr.Log(1, map[string]float64{"train/loss": 2, "lr": 0.1}))
	require.NoError(t, tr.Log(2, map[string]float64{"train/loss": math.NaN()}))
	require.NoError(t, tr.Log(3, map[string]float64{"train/loss": math.Inf(1), "train": 7}))
	require.Equal(t, "step\tloss\n1\t2\n2\tnan\n3\tinf\n", read(t, dir, "plots/metrics/train/loss.tsv"))
	require.Equal(t, "step\tlr\n1\t0.1\n", read(t, dir, "plots/metrics/lr.tsv"))
	require.Equal(t, "{\n    \"lr\": 0.1,\n    \"step\": 3,\n    \"train\": 7,\n    \"train/loss\": \"inf\"\n}\n", read(t, dir, "metrics.json"),
		"a value where a folder would be: the other keeps its whole name")
	require.NoError(t, tr.Image(3, "worst", []byte("png"), ""))
	require.NoError(t, tr.Histogram(3, "w", []float32{1}))
	require.NoError(t, tr.Artifact("My Model", "model", filepath.Join(root, "model")))
	require.Equal(t, "png", read(t, dir, "plots/images/worst/3.png"))
	require.NoError(t, tr.Finish(track.StatusFinished, map[string]float64{"best": 1}))
	require.NoError(t, tr.Finish(track.StatusFinished, nil), "finishing twice is harmless")
	require.Contains(t, read(t, dir, "metrics.json"), `"best": 1`)
	require.Equal(t, `params:
    - params.yaml
metrics:
    - metrics.json
plots:
    - plots/metrics:
        x: step
    - plots/images
artifacts:
    my-model:
        path: ../model
        type: model
`, read(t, dir, "dvc.yaml"))
}

func TestResumeAndAnew(t *testing.T) {
	dir := t.TempDir()
	tr, err := New(dir, track.Run{})
	require.NoError(t, err)
	for step := int64(1); step <= 5; step++ {
		require.NoError(t, tr.Log(step, map[string]float64{"loss": float64(10 - step), "val/acc": 1}))
	}
	history := filepath.Join(dir, "plots", "metrics", "loss.tsv")
	f, err := os.OpenFile(history, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("3\t4") // cut short by the kill
	require.NoError(t, err)
	require.NoError(t, f.Close())

	tr, err = New(dir, track.Run{Resumed: true, Step: 3})
	require.NoError(t, err)
	require.Contains(t, read(t, dir, "metrics.json"), `"loss": 7`)
	require.NoError(t, tr.Log(4, map[string]float64{"loss": 0.5}))
	require.NoError(t, tr.Finish(track.StatusFinished, nil))
	require.Equal(t, "step\tloss\n1\t9\n2\t8\n3\t7\n4\t0.5\n", read(t, history))

	tr, err = New(dir, track.Run{})
	require.NoError(t, err)
	require.NoFileExists(t, history, "another run begins anew")
	require.NoError(t, tr.Finish(track.StatusFailed, nil))
}

func TestNamesStayInside(t *testing.T) {
	tr, err := New(t.TempDir(), track.Run{})
	require.NoError(t, err)
	require.ErrorContains(t, tr.Log(1, map[string]float64{"../x": 1}), "outside")
	require.ErrorContains(t, tr.Image(1, "/x", nil, ""), "outside")
	require.NoError(t, tr.Finish(track.StatusFailed, nil))
}
