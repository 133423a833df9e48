package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/monitor/accuracy"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/watch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// writePhotoSet makes an image folder of n photos, in two of CIFAR's classes by turns.
func writePhotoSet(t *testing.T, n int, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		class := filepath.Join(dir, []string{"cat", "dog"}[i%2])
		require.NoError(t, os.MkdirAll(class, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(class, fmt.Sprintf("%04d.jpg", i)), photo(t, 32, 32, seed+uint64(i)), 0o644))
	}
	return dir
}

// TestDriftCommand: a reference is made and kept; images like it are none, others are drift, and the exit status and the report say so.
func TestDriftCommand(t *testing.T) {
	torchtest.Need(t)
	model := filepath.Join(t.TempDir(), "photos", "7")
	out, stderr, code := runCommand(t, "export", "--model", filepath.Join("..", "..", "models", "cifar10-resnet18"), "--reference", writePhotoSet(t, 600, 0), "--output", model)
	require.Zero(t, code, stderr)
	assert.Contains(t, out, "reference: 600 images of ")
	folder, err := modeldir.Open(model)
	require.NoError(t, err)
	assert.Equal(t, "drift.safetensors", folder.Extras.DriftReference)
	again := filepath.Join(t.TempDir(), "again")
	_, stderr, code = runCommand(t, "export", "--model", model, "--output", again, "--dtype", "f32")
	require.Zero(t, code, stderr)
	assert.FileExists(t, filepath.Join(again, "drift.safetensors"), "a conversion keeps the reference")

	alike := writePhotoSet(t, 400, 50_000)
	out, stderr, code = runCommand(t, "drift", "--model", model, "--data", alike, "--window", "200", "--exit-code")
	require.Zero(t, code, out+stderr)
	assert.Contains(t, out, "No alarm: 0 of 2 windows drifted")

	report := filepath.Join(t.TempDir(), "report")
	out, stderr, code = runCommand(t, "drift", "--model", filepath.Join("..", "..", "models"), "--data", alike, "--window", "0", "--json", "--exit-code", "--report", report)
	require.Equal(t, exitRefused, code, stderr)
	var s watch.Status
	require.NoError(t, json.Unmarshal([]byte(out), &s))
	assert.Equal(t, "cifar10-resnet18", s.Model)
	require.Len(t, s.Windows, 1)
	assert.Equal(t, 400, s.Windows[0].Answers)
	assert.True(t, s.Windows[0].Drifted, "these are no photos of CIFAR-10")
	assert.True(t, s.Windows[0].Estimate.Unsure)
	page, err := os.ReadFile(filepath.Join(report, "index.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "cifar10-resnet18/1")
}

func TestDriftCommandErrors(t *testing.T) {
	f := func(wantCode int, says string, args ...string) {
		t.Helper()
		_, err := run(t, append([]string{"drift"}, args...)...)
		require.ErrorContains(t, err, says)
		assert.Equal(t, wantCode, exitCode(err))
	}
	f(2, "--window must be at least 200", "--data", ".", "--window", "100")
	f(2, "give either --data", "--data", ".", "--dir", "predictions")
	f(2, "leave out --data", "--data", ".", "--since", "24h")
	f(2, `cannot ignore "colour"`, "--data", ".", "--ignore", "colour")
	bare := t.TempDir()
	require.NoError(t, os.CopyFS(bare, os.DirFS(filepath.Join("..", "..", "models", "cifar10-resnet18"))))
	folder, err := modeldir.Open(bare)
	require.NoError(t, err)
	folder.Extras.DriftReference = ""
	require.NoError(t, folder.SaveExtras())
	f(1, "has no reference to compare with", "--data", ".", "--model", bare)
	folder.Extras.DriftReference = "none.safetensors"
	require.NoError(t, folder.SaveExtras())
	f(1, "none.safetensors", "--data", ".", "--model", bare)
}

// TestDriftMetrics: what is known of a version is shown, what is not is left out.
func TestDriftMetrics(t *testing.T) {
	strange := 0.25
	window := &detector.Result{
		Until: time.UnixMilli(1_500_000), Drifted: true, Detector: "mmd", Strange: &strange,
		Tests:    []detector.Test{{Detector: "mmd", Score: 0.5, Adjusted: 0.01, Drifted: true}, {Detector: "ood", Skipped: "no embeddings"}},
		Estimate: accuracy.Estimate{Accuracy: 0.8, Low: 0.7, High: 0.9, Unsure: true},
	}
	statuses := []watch.Status{
		{Model: "m", Version: "1", Reference: &watch.ReferenceView{Accuracy: 0.9}, Alarm: detector.Alarm{Raised: true}, Waiting: 7,
			Windows: []*detector.Result{{}, window}, Accuracy: &watch.Accuracy{Labelled: 4, Correct: 3}},
		{Model: "m", Version: "2"},
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(newDriftMetrics(func() []watch.Status { return statuses }))
	want := map[string]string{
		"drift_detected": "1", "drift_waiting_answers": "7", "drift_window_timestamp_seconds": "1500", "ood_ratio": "0.25",
		"estimated_accuracy_ratio": "0.8", "estimated_accuracy_lower_ratio": "0.7", "estimated_accuracy_upper_ratio": "0.9",
		"estimated_accuracy_unsure": "1", "reference_accuracy_ratio": "0.9", "feedback_accuracy_ratio": "0.75", "feedback_labels": "4",
	}
	families, err := r.Gather()
	require.NoError(t, err)
	seen := map[string]string{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 2 {
				assert.Equal(t, "1", m.GetLabel()[1].GetValue(), "nothing is known of version 2")
				seen[strings.TrimPrefix(f.GetName(), "torchlit_")] = fmt.Sprint(m.GetGauge().GetValue())
			}
		}
	}
	assert.Equal(t, want, seen)
	assert.NoError(t, testutil.GatherAndCompare(r, strings.NewReader(`
# HELP torchlit_drift_score How far the newest window has moved from the model's reference, in the detector's own measure.
# TYPE torchlit_drift_score gauge
torchlit_drift_score{detector="mmd",model="m",version="1"} 0.5
# HELP torchlit_drift_p_value Probability that chance moves a window as far, adjusted for the number of detectors.
# TYPE torchlit_drift_p_value gauge
torchlit_drift_p_value{detector="mmd",model="m",version="1"} 0.01
# HELP torchlit_drift_windows Tested windows of those that are kept in view, by whether they drifted.
# TYPE torchlit_drift_windows gauge
torchlit_drift_windows{drifted="false",model="m",version="1"} 1
torchlit_drift_windows{drifted="true",model="m",version="1"} 1
`), "torchlit_drift_score", "torchlit_drift_p_value", "torchlit_drift_windows"))
}
