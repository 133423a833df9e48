//go:build interop

package tensorboard

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/track"
)

// seen is what testdata/read.py writes.
type seen struct {
	FileVersion float64                 `json:"file_version"`
	Scalars     map[string][][2]float64 `json:"scalars"`
	Histograms  map[string][]struct {
		Step, Min, Max, Num, Sum float64
		SumSquares               float64   `json:"sum_squares"`
		BucketLimit              []float64 `json:"bucket_limit"`
		Bucket                   []float64 `json:"bucket"`
	} `json:"histograms"`
	Images map[string][]struct {
		Step, Width, Height int
		PNG                 string
	} `json:"images"`
	Captions map[string]string `json:"captions"`
	Texts    map[string]string `json:"texts"`
	HParams  struct {
		HparamInfos []struct{ Name, Type string }
		MetricInfos []struct{ Name struct{ Group, Tag string } }
	} `json:"hparams"`
	Sessions []struct {
		Name, Status string
		MetricValues []struct {
			Name         struct{ Group, Tag string }
			Value        float64
			TrainingStep int
		}
	} `json:"sessions"`
	Fast struct { // what the loader of TensorBoard's own data server sees
		Scalars  map[string][][2]float64
		Captions map[string]string
	}
	Numpy struct{ Limits, Counts []float64 } `json:"numpy"`
}

// TestInteropTensorBoardReadsIt records a run that is killed, resumed and finished, and
// lets TensorBoard read it back.
func TestInteropTensorBoardReadsIt(t *testing.T) {
	logdir := t.TempDir()
	run := track.Run{
		Name: "run", Dir: filepath.Join(logdir, "run"), Tags: []string{"baseline"}, Overrides: []string{"optim.lr=0.1"},
		Config: map[string]any{"seed": 1, "optim": map[string]any{"lr": 0.1, "name": "sgd"}, "flip": true},
	}
	first, err := New(run.Dir, run)
	require.NoError(t, err)
	values := spread()
	for step := int64(1); step <= 10; step++ {
		require.NoError(t, first.Log(step, map[string]float64{"train_loss": 1 / float64(step), "lr": 0.1}))
	}
	picture := testPNG(t, 5, 3)
	require.NoError(t, first.Image(4, "worst", picture, "the worst of all"))
	require.NoError(t, first.Histogram(4, "weights", values))
	require.NoError(t, first.Image(9, "worst", picture, "the worst of all"))

	run.Resumed, run.Step = true, 6
	second, err := New(run.Dir, run)
	require.NoError(t, err)
	for step := int64(7); step <= 12; step++ {
		require.NoError(t, second.Log(step, map[string]float64{"train_loss": 2 / float64(step), "lr": 0.1}))
	}
	require.NoError(t, second.Finish(track.StatusFinished, map[string]float64{"test_accuracy": 0.875}))

	file := filepath.Join(t.TempDir(), "values")
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	require.NoError(t, os.WriteFile(file, raw, 0o644))
	python := interop.Python(t, "tensorboard")
	var got seen
	out := filepath.Join(t.TempDir(), "seen.json")
	interop.Run(t, python, "testdata/read.py", logdir, "run", file, out)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &got))

	require.Equal(t, 2.0, got.FileVersion)
	var loss [][2]float64
	for step := 1.0; step <= 12; step++ {
		v := 1 / step
		if step > 6 {
			v = 2 / step
		}
		loss = append(loss, [2]float64{step, float64(float32(v))})
	}
	require.Equal(t, loss, got.Scalars["train_loss"], "one curve, without a fold at step 6")
	require.Len(t, got.Scalars["lr"], 12)
	require.Equal(t, [][2]float64{{12, 0.875}}, got.Scalars["summary/test_accuracy"])

	require.Len(t, got.Images["worst"], 1, "the one of step 9 was behind the resume")
	image := got.Images["worst"][0]
	require.Equal(t, []int{4, 5, 3}, []int{image.Step, image.Width, image.Height})
	require.Equal(t, base64.StdEncoding.EncodeToString(picture), image.PNG)
	require.Equal(t, map[string]string{"worst": "the worst of all"}, got.Captions)
	require.Contains(t, got.Texts["config"], "Tags: baseline\n\nOverrides:\n\n    optim.lr=0.1\n")
	require.Contains(t, got.Texts["config"], "    optim:\n        lr: 0.1\n")

	require.Equal(t, loss, got.Fast.Scalars["train_loss"])
	require.Equal(t, map[string]string{"worst": "the worst of all"}, got.Fast.Captions)

	h := got.Histograms["weights"][0]
	require.Equal(t, got.Numpy.Limits, h.BucketLimit)
	require.Equal(t, got.Numpy.Counts, h.Bucket)
	require.EqualValues(t, len(values), h.Num)

	require.Len(t, got.HParams.HparamInfos, 4)
	require.Len(t, got.Sessions, 1)
	require.Equal(t, "run", got.Sessions[0].Name)
	require.Equal(t, "STATUS_SUCCESS", got.Sessions[0].Status)
	metrics := map[string]float64{}
	for _, m := range got.Sessions[0].MetricValues {
		metrics[m.Name.Tag] = m.Value
	}
	require.Equal(t, map[string]float64{
		"train_loss": float64(float32(2.0 / 12)), "lr": float64(float32(0.1)), "summary/test_accuracy": 0.875,
	}, metrics)
}
