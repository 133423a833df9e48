package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/reference"
)

// BenchmarkWatch is what drift costs for each answer: its score, and its part of a window of 500 that is counted, read from the log, tested and stored.
// It reports processor time, which another program's load does not add to.
func BenchmarkWatch(b *testing.B) {
	const window, windows = 500, 10
	answers, truth := imaginary(5000 + windows*window)
	ref, err := reference.Build(answers[:5000], truth[:5000], reference.Options{})
	require.NoError(b, err)
	d := detector.New(ref, detector.Options{})
	log, err := predlog.Open(predlog.Config{Dir: b.TempDir(), Vectors: 1})
	require.NoError(b, err)
	defer log.Close(context.Background())
	for _, a := range answers[5000:] {
		log.Record(a)
	}
	require.Eventually(b, func() bool { return log.Counts().Records == windows*window }, time.Minute, 10*time.Millisecond)
	l := &watchedLog{log}
	b.Run("score", func(b *testing.B) {
		perAnswer(b, 1, func() { d.Score(answers[0]) })
	})
	b.Run("window", func(b *testing.B) {
		first := int64(0)
		perAnswer(b, window, func() {
			by := predlog.Filter{Model: "m", Version: "1", Vectors: true, After: first % windows * window}
			span, err := l.Span(b.Context(), by)
			require.NoError(b, err)
			var read []*monitor.Answer
			err = l.Each(b.Context(), by, false, func(s *predlog.Stored) error {
				if read = append(read, &s.Answer); len(read) == window {
					return errEnough
				}
				return nil
			})
			require.ErrorIs(b, err, errEnough)
			r, err := d.Test(read)
			require.NoError(b, err)
			text, err := json.Marshal(r)
			require.NoError(b, err)
			first++
			_, err = log.AddWindow(b.Context(), predlog.Window{Model: "m", Version: "1", From: r.From, Until: r.Until, First: first, Last: span.Last, Answers: len(read), Result: text})
			require.NoError(b, err)
		})
	})
}

var errEnough = errors.New("the window is full")

// perAnswer reports the processor's time for each of the answers that one call is about.
func perAnswer(b *testing.B, answers int, f func()) {
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		f()
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	took := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(took.Microseconds())/float64(b.N)/float64(answers), "cpu-µs/answer")
}

// imaginary are answers of ten classes with embeddings of 512 values, such as a ResNet18 gives.
func imaginary(n int) (answers []*monitor.Answer, truth []int) {
	r := rand.New(rand.NewPCG(9, 9))
	labels := modeldir.CIFAR10Labels()
	for i := range n {
		class := r.IntN(len(labels))
		a := &monitor.Answer{
			Time: time.Now(), RequestID: fmt.Sprint(i), Model: "m", Version: "1", Labels: labels, Probabilities: make([]float32, len(labels)),
			Embedding: make([]float32, 512), Image: monitor.Image{Width: 32, Height: 32, Bytes: 2000, Brightness: r.Float32(), Contrast: r.Float32(), Saturation: r.Float32(), Sharpness: r.Float32(), Flatness: r.Float32()},
		}
		for k := range a.Embedding {
			a.Embedding[k] = r.Float32()
		}
		a.Embedding[class] += 3
		for k := range a.Probabilities {
			a.Probabilities[k] = 0.1 * r.Float32() / 10
		}
		a.Probabilities[class] = 0.9 + 0.1*r.Float32()
		answers, truth = append(answers, a), append(truth, class)
	}
	return answers, truth
}
