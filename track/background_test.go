package track

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// recorder is a tracker that notes its calls, after waiting for gate if there is one.
type recorder struct {
	gate  chan struct{}
	err   error
	calls []string
}

func (r *recorder) note(format string, args ...any) error {
	if r.gate != nil {
		<-r.gate
	}
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	return r.err
}

func (r *recorder) Log(step int64, metrics map[string]float64) error {
	return r.note("log %d %v", step, metrics)
}

func (r *recorder) Histogram(step int64, name string, values []float32) error {
	return r.note("histogram %d %s %v", step, name, values)
}

func (r *recorder) Image(step int64, name string, png []byte, caption string) error {
	return r.note("image %d %s %v %s", step, name, png, caption)
}

func (r *recorder) Artifact(name, kind, path string) error {
	return r.note("artifact %s %s %s", name, kind, path)
}

func (r *recorder) Finish(status Status, summary map[string]float64) error {
	return r.note("finish %s %v", status, summary)
}

func TestBackgroundHandsEverythingOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		r := &recorder{gate: gate}
		var w warnings
		b := NewBackground(r, BackgroundOptions{Name: "slow", Warn: w.warn})
		start := time.Now()
		metrics, values, png := map[string]float64{"loss": 1}, []float32{1, 2}, []byte{3}
		require.NoError(t, b.Log(1, metrics))
		require.NoError(t, b.Histogram(2, "w", values))
		require.NoError(t, b.Image(3, "i", png, "c"))
		require.NoError(t, b.Artifact("model", "model", "path"))
		metrics["loss"], values[0], png[0] = 9, 9, 9 // no reference is kept
		require.Zero(t, time.Since(start), "nothing waits")
		time.AfterFunc(10*time.Second, func() { close(gate) })
		require.NoError(t, b.Finish(StatusFinished, map[string]float64{"best": 2}))
		require.Equal(t, 10*time.Second, time.Since(start))
		require.Equal(t, []string{
			"log 1 map[loss:1]", "histogram 2 w [1 2]", "image 3 i [3] c", "artifact model model path", "finish finished map[best:2]",
		}, r.calls)
		require.NoError(t, b.Finish(StatusFinished, nil), "finishing twice is harmless")
		require.NoError(t, b.Log(5, nil), "after Finish nothing is taken")
		require.Len(t, r.calls, 5)
		require.Empty(t, w.all())
	})
}

func TestBackgroundOfATrackerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var w warnings
		b := NewBackground(&recorder{gate: gate}, BackgroundOptions{Name: "stuck", Warn: w.warn, FinishWait: time.Minute, MaxBytes: 2 << 20})
		start := time.Now()
		for range 2 * queueEvents {
			require.NoError(t, b.Log(1, nil))
		}
		require.NoError(t, b.Histogram(1, "too large", make([]float32, 1<<19)))
		require.Zero(t, time.Since(start))
		require.NoError(t, b.Finish(StatusFinished, nil))
		require.Equal(t, time.Minute, time.Since(start))
		require.Len(t, w.all(), 2)
		require.Contains(t, w.all()[0], "stuck has not taken everything within 1m0s")
		require.Regexp(t, `stuck: 409\d records were dropped`, w.all()[1])
		close(gate)
	})
}

func TestBackgroundOfATrackerWithAMistake(t *testing.T) {
	var w warnings
	b := NewBackground(Multi(nil), BackgroundOptions{Name: "broken", Warn: w.warn}) // calls a nil Tracker
	require.NoError(t, b.Log(1, nil))
	require.NoError(t, b.Finish(StatusFinished, nil))
	require.Len(t, w.all(), 2)
	require.Contains(t, w.all()[0], "broken: BUG: track.multi: ")
}

func TestBackgroundTellsErrorsSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w warnings
		b := NewBackground(&recorder{err: errors.New("no space left on device")}, BackgroundOptions{Name: "TensorBoard", Warn: w.warn})
		for range 25 * 60 {
			require.NoError(t, b.Log(1, nil))
			time.Sleep(time.Second)
		}
		require.NoError(t, b.Finish(StatusFailed, nil))
		require.Equal(t, []string{
			"TensorBoard: no space left on device; the run goes on",
			"TensorBoard: no space left on device; the run goes on",
			"TensorBoard: no space left on device; the run goes on",
			"TensorBoard: 1501 records could not be written",
		}, w.all())
	})
}
