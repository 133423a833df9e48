//go:build interop

package dvclive

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/track"
)

// TestInteropDVCShowsIt lets dvc read a run's folder in a repository.
func TestInteropDVCShowsIt(t *testing.T) {
	python := interop.Python(t, "dvc")
	repo := t.TempDir()
	dvc := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), python, append([]string{"-m", "dvc"}, args...)...)
		cmd.Dir = repo
		cmd.Env = append(cmd.Environ(), "DVC_NO_ANALYTICS=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, "dvc %v\n%s%s", args, out, &stderr)
		return out
	}
	dvc("init", "--no-scm", "-q")

	dir := filepath.Join(repo, "run", "dvclive")
	tr, err := New(dir, track.Run{Config: map[string]any{"optim": map[string]any{"lr": 0.1}, "seed": 3}})
	require.NoError(t, err)
	for step := int64(1); step <= 4; step++ {
		require.NoError(t, tr.Log(step, map[string]float64{"train/loss": 1 / float64(step), "accuracy": float64(step)}))
	}
	var picture bytes.Buffer
	require.NoError(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2))))
	require.NoError(t, tr.Image(4, "worst", picture.Bytes(), ""))
	require.NoError(t, tr.Artifact("model", "model", filepath.Join(repo, "run", "model")))
	require.NoError(t, tr.Finish(track.StatusFinished, map[string]float64{"best": 0.5}))

	var metrics map[string]map[string]map[string]map[string]map[string]any
	require.NoError(t, json.Unmarshal(dvc("metrics", "show", "--json"), &metrics))
	require.Equal(t, map[string]any{"accuracy": 4.0, "best": 0.5, "step": 4.0, "train": map[string]any{"loss": 0.25}},
		metrics[""]["data"][filepath.Join("run", "dvclive", "metrics.json")]["data"])

	var plots struct {
		Data map[string][]struct {
			Type    string                     `json:"type"`
			Anchors map[string]json.RawMessage `json:"anchor_definitions"`
		} `json:"data"`
	}
	require.NoError(t, json.Unmarshal(dvc("plots", "show", "--json", "--split"), &plots))
	at := filepath.Join("run", "dvclive", "plots") + string(filepath.Separator)
	require.Len(t, plots.Data, 3)
	require.Equal(t, "image", plots.Data[filepath.Join(at, "images", "worst", "4.png")][0].Type)
	loss := plots.Data[filepath.Join(at, "metrics", "train", "loss.tsv")]
	require.Equal(t, "vega", loss[0].Type)
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(loss[0].Anchors["<DVC_METRIC_DATA>"], &rows))
	require.Len(t, rows, 4)
	require.Equal(t, "3", rows[2]["step"])
	require.Equal(t, "0.3333333333333333", rows[2]["loss"])
	require.Contains(t, plots.Data, filepath.Join(at, "metrics", "accuracy.tsv"))
}
