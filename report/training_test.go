package report

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadMetrics(t *testing.T) {
	metrics, err := readMetrics(strings.NewReader("lr,step,train_loss\n0.1,10,2.5\n,20,NaN\n0.05,30,1.5\n0.01,4"))
	require.NoError(t, err)
	assert.Equal(t, metric{name: "lr", step: []float64{10, 30}, value: []float64{0.1, 0.05}}, metrics[0])
	assert.Equal(t, metric{name: "step"}, metrics[1])
	assert.Equal(t, metric{name: "train_loss", step: []float64{10, 30}, value: []float64{2.5, 1.5}}, metrics[2])
}

func TestPanels(t *testing.T) {
	f := func(want string, name string) {
		t.Helper()
		got := ""
		for _, p := range sortIntoPanels([]metric{{name, []float64{1}, []float64{2}}}) {
			got = p.title
		}
		assert.Equal(t, want, got, name)
	}
	f("loss", "train_loss_step")
	f("loss", "test_loss")
	f("accuracy", "val_acc")
	f("accuracy", "test_accuracy")
	f("learning rate", "lr")
	f("learning rate", "lr-SGD")
	f("learning rate", "lr-AdamW/pg1")
	f("images/s", "images_per_second")
	f("images/s", "train/samples_per_second")
	f("", "epoch")
	f("", "loader_wait_seconds")
}

func TestTrainingCurves(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "metrics.csv")
	write := func(text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	write("epoch,images_per_second,lr,step,test_accuracy,train_loss\n0,200,0.1,10,0.5,2\n1,210,0.05,20,0.7,1\n")
	require.NoError(t, TrainingCurves(file, filepath.Join(dir, "figures")))
	for _, ending := range []string{".png", ".svg"} {
		assert.FileExists(t, filepath.Join(dir, "figures", "training_curves"+ending))
	}
	write("step,train_loss\n10,2\n") // one point
	require.NoError(t, TrainingCurves(file, dir))

	fails := func(says, text string) {
		t.Helper()
		write(text)
		assert.ErrorContains(t, TrainingCurves(file, dir), says)
	}
	fails("it is empty", "")
	fails(`no column "step"`, "epoch,loss\n1,2\n")
	fails("no loss, accuracy", "step,epoch\n1,2\n")
	fails("no loss, accuracy", "step,loss\n1,NaN\n")
	fails("cannot read a step", "step,loss\nx,2\n")
	fails("wrong number of fields", "step,loss\n1\n2,3\n")
	assert.ErrorContains(t, TrainingCurves(filepath.Join(dir, "none.csv"), dir), "no such file")
}

func TestRunningMean(t *testing.T) {
	wave := make([]float64, 1000)
	for i := range wave {
		wave[i] = float64(i)/1000 + 0.5*math.Pow(-1, float64(i))
	}
	assert.True(t, noisy(wave))
	for i, v := range runningMean(wave) {
		assert.InDelta(t, float64(i)/1000, v, 0.08, "%d", i)
	}
	assert.False(t, noisy(wave[:100]))
	straight := make([]float64, 1000)
	for i := range straight {
		straight[i] = 1 / float64(i+1)
	}
	assert.False(t, noisy(straight), "a schedule is shown as it is")
}

func FuzzReadMetrics(f *testing.F) {
	f.Add("lr,step,train_loss\n0.1,10,2.5\n,20,NaN\n0.01,4")
	f.Add("step\n\n1\n")
	f.Add("\"step\",a\n1,1e309\n")
	f.Fuzz(func(t *testing.T, text string) {
		metrics, err := readMetrics(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, m := range metrics {
			require.Len(t, m.step, len(m.value))
			for _, v := range m.value {
				require.True(t, finite(v))
			}
		}
	})
}

func TestFinders(t *testing.T) {
	dir := t.TempDir()
	lrs, losses := []float64{1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1}, []float64{2.3, 2.29, 2.1, 1.5, 1.2, 9, math.Inf(1)}
	require.NoError(t, LRFinder(lrs, losses, 1e-3, filepath.Join(dir, "sub", "lr")))
	assert.FileExists(t, filepath.Join(dir, "sub", "lr.png"))
	assert.FileExists(t, filepath.Join(dir, "sub", "lr.svg"))
	require.NoError(t, LRFinder(lrs, losses, 0, filepath.Join(dir, "only.svg")))
	assert.NoFileExists(t, filepath.Join(dir, "only.png"))
	require.NoError(t, LRFinder([]float64{0.1, 0.2}, []float64{1, 1}, 0.15, filepath.Join(dir, "flat")))
	assert.ErrorContains(t, LRFinder(lrs, losses[1:], 0, dir), "6 losses at 7 learning rates")
	assert.ErrorContains(t, LRFinder([]float64{0, 1}, []float64{1, 1}, 0, dir), "needs two")

	require.NoError(t, BatchSizes([]int{16, 32, 64}, []float64{100, 150, 0}, 32, filepath.Join(dir, "batch.png")))
	assert.FileExists(t, filepath.Join(dir, "batch.png"))
	require.NoError(t, BatchSizes([]int{16}, []float64{100}, 0, filepath.Join(dir, "one.png")))
	assert.ErrorContains(t, BatchSizes([]int{16}, []float64{0}, 0, dir), "none of 1 sizes was measured")
	assert.ErrorContains(t, BatchSizes([]int{16}, nil, 0, dir), "0 rates of 1 batch sizes")
}

func TestInterpolate(t *testing.T) {
	x, y := []float64{1, 2, 4}, []float64{10, 20, 0}
	assert.Equal(t, 15.0, interpolate(x, y, 1.5))
	assert.Equal(t, 10.0, interpolate(x, y, 3))
	assert.Equal(t, 10.0, interpolate(x, y, 0))
	assert.Equal(t, 0.0, interpolate(x, y, 9))
}
