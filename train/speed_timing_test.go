//go:build interop

package train_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/train"
)

// BenchmarkTrainingAgainstPython trains the bundled recipe, from the images in memory to
// the updated weights with all of the trainer around it, and takes the steps in turns
// with a PyTorch program that only computes them. It reports our time as a ratio of its:
// below 1 is faster.
func BenchmarkTrainingAgainstPython(b *testing.B) {
	torchtest.Need(b)
	const batch, side, steps, turns = 128, 32, 2, 11
	python := exec.Command(interop.Python(b, "torch"), "testdata/step.py", fmt.Sprint(runtime.NumCPU()), fmt.Sprint(batch), fmt.Sprint(side))
	in, err := python.StdinPipe()
	require.NoError(b, err)
	out, err := python.StdoutPipe()
	require.NoError(b, err)
	python.Stderr = os.Stderr
	require.NoError(b, python.Start())
	defer func() { in.Close(); python.Wait() }()
	answers := bufio.NewReader(out)
	theirs := func() (seconds float64) {
		fmt.Fprintln(in, steps)
		line, err := answers.ReadString('\n')
		require.NoError(b, err)
		_, err = fmt.Sscan(strings.TrimSpace(line), &seconds)
		require.NoError(b, err)
		return seconds
	}

	// The run waits in its step event until it is asked for more steps.
	ask, done := make(chan int), make(chan struct{})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	left := 0
	cfg := train.Default()
	cfg.Data.Dir, cfg.OutputDir = noiseFolder(b, 10, 130), b.TempDir()
	cfg.Trainer.MaxEpochs, cfg.Trainer.NumSanityValSteps, cfg.Trainer.LimitValBatches = 10_000, 0, train.Portion{}
	cfg.Checkpoint.EveryNEpochs = 0
	go func() {
		_, err := train.Run(ctx, cfg, train.Events{Step: func(train.Step) {
			if left--; left <= 0 {
				select {
				case done <- struct{}{}:
				case <-ctx.Done():
					return
				}
				select {
				case left = <-ask:
				case <-ctx.Done():
				}
			}
		}})
		ended <- err
	}()
	<-done
	ours := func() float64 {
		start := time.Now()
		ask <- steps
		<-done
		return time.Since(start).Seconds()
	}
	ours()
	theirs()
	var us, them, ratio []float64
	for b.Loop() {
		for range turns {
			u, t := ours(), theirs()
			us, them, ratio = append(us, u), append(them, t), append(ratio, u/t)
		}
	}
	cancel()
	require.ErrorIs(b, <-ended, train.ErrInterrupted)
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(batch*steps/median(us), "go-images/s")
	b.ReportMetric(batch*steps/median(them), "python-images/s")
	b.ReportMetric(median(ratio), "ratio")
}

// noiseFolder makes a data set of noise, 32×32, for measurements.
func noiseFolder(t testing.TB, classes, perClass int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(5, 6))
	for _, split := range []string{"train", "test"} {
		for class := range classes {
			folder := filepath.Join(dir, split, itoa(class))
			require.NoError(t, os.MkdirAll(folder, 0o755))
			for i := range perClass {
				img := image.NewRGBA(image.Rect(0, 0, 32, 32))
				for at := range img.Pix {
					img.Pix[at] = byte(rng.Uint32()) | 1
				}
				var b bytes.Buffer
				require.NoError(t, png.Encode(&b, img))
				require.NoError(t, os.WriteFile(filepath.Join(folder, itoa(i)+".png"), b.Bytes(), 0o644))
			}
		}
	}
	return dir
}
