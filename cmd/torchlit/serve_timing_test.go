package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// BenchmarkLoneClient prints the medians of what one client waits for, in
// milliseconds: a lone request must not wait for company.
func BenchmarkLoneClient(b *testing.B) {
	torchtest.Need(b)
	s := serveModel(b, "--models", writeModel(b, "resnet18", resnet.ImageNetStem, 1000, 224))
	image := photo(b, 500, 375, 1)
	var queue, total []float64
	for b.Loop() {
		a, status, err := post(http.DefaultClient, s.url, "image/jpeg", image)
		if err != nil || status != 200 {
			b.Fatal(status, err)
		}
		queue, total = append(queue, a.Timing.Queue), append(total, a.Timing.Total)
	}
	b.ReportMetric(median(queue), "queue-p50-ms")
	b.ReportMetric(median(total), "total-p50-ms")
}

// BenchmarkTensorAgainstEngine prints what one client waits for beside the engine, at the median, in microseconds: ResNet18
// on 32×32 pixels, sent as a raw UINT8 tensor over loopback HTTP, in turns with the bare runner.
func BenchmarkTensorAgainstEngine(b *testing.B) {
	torchtest.Need(b)
	dir := writeModel(b, "resnet18", resnet.ImageNetStem, 10, 32)
	s := serveModel(b, "--models", dir, "--threads", "1", "--runners", "1")
	engine := openEngine(b, dir, predict.Options{Threads: 1, Runners: 1}) // the threads of two engines would wake each other
	in, out := engine.in, engine.out
	url := s.url + "/v2/models/" + filepath.Base(dir) + "/infer"
	send := func() error {
		req, err := http.NewRequest("POST", url, bytes.NewReader(in[0]))
		if err != nil {
			return err
		}
		req.Header.Set("Inference-Header-Content-Length", "0")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
			return fmt.Errorf("%d %s %v", resp.StatusCode, body, err)
		}
		return nil
	}
	timed := func(f func() error) float64 {
		start := time.Now()
		require.NoError(b, f())
		return float64(time.Since(start).Nanoseconds()) / 1000
	}
	var bare, served []float64
	for b.Loop() {
		bare = append(bare, timed(func() error { return engine.runner.Run(in, out) }))
		served = append(served, timed(send))
	}
	b.ReportMetric(median(bare), "engine-p50-µs")
	b.ReportMetric(median(served)-median(bare), "added-p50-µs")
	b.ReportMetric(0, "ns/op")
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// bareEngine is the engine that the server has, without the server, and an image for it.
type bareEngine struct {
	runner *predict.Runner
	in     [][]byte
	out    [][]float32
}

func openEngine(b *testing.B, dir string, options predict.Options) *bareEngine {
	b.Helper()
	runtime.LockOSThread()
	b.Cleanup(runtime.UnlockOSThread)
	model, err := predict.Open(dir, options)
	require.NoError(b, err)
	runner, err := model.NewRunner()
	require.NoError(b, err)
	b.Cleanup(func() { runner.Close(); model.Close() })
	return &bareEngine{runner: runner, in: [][]byte{noise(model.ImageBytes())}, out: make([][]float32, 1)}
}
