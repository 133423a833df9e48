package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"

	"github.com/torchlit/torchlit/bench"
	"github.com/torchlit/torchlit/predict"
)

// engineResult is what torchlit bench --engine says of a bare model.
type engineResult struct {
	Model     string `json:"model"`
	Device    string `json:"device"`
	Precision string `json:"precision"`
	Batch     int    `json:"batch"`
	Threads   int    `json:"threads"` // of each runner
	Runners   int    `json:"runners"`

	Duration        float64          `json:"duration_s"`
	Batches         int64            `json:"batches"`
	ImagesPerSecond float64          `json:"images_per_second"`            // over the whole time
	AtTheMedian     float64          `json:"images_per_second_at_the_p50"` // if every batch took as long as the median one
	Latency         *bench.Quantiles `json:"latency_ms"`                   // of a batch
	Machine         bench.Machine    `json:"machine"`
}

// benchEngine runs batches of pixels through the model, without a server, decoding or a batcher.
func (f *benchFlags) benchEngine(ctx context.Context, out io.Writer) error {
	dir, err := oneModel(f.modelDir)
	if err != nil {
		return err
	}
	model, err := predict.Open(dir, predict.Options{
		Device: f.device, Precision: f.precision, Threads: f.threads, Runners: f.runners, MaxBatch: f.target.Batch,
	})
	if err != nil {
		return err
	}
	defer model.Close()
	chosen := model.Options()
	measured, err := bench.Repeat(ctx, chosen.Runners, f.load.Warmup, f.load.Duration, func() (func() error, func(), error) {
		return engineWorker(model, f.target.Batch)
	})
	if err != nil {
		return err
	}
	batch := float64(f.target.Batch)
	r := engineResult{
		Model: dir, Device: chosen.Device, Precision: chosen.Precision, Batch: f.target.Batch, Threads: chosen.Threads, Runners: chosen.Runners,
		Duration: f.load.Duration.Seconds(), Batches: measured.Calls, ImagesPerSecond: batch * measured.Rate,
		Latency: measured.Latency, Machine: bench.ThisMachine(),
	}
	if measured.Median > 0 {
		r.AtTheMedian = batch * float64(chosen.Runners) / measured.Median.Seconds()
	}
	if f.asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	return r.print(out)
}

// engineWorker makes a runner of the calling goroutine.
func engineWorker(model *predict.Model, batch int) (run func() error, end func(), err error) {
	runtime.LockOSThread()
	runner, err := model.NewRunner()
	if err != nil {
		runtime.UnlockOSThread()
		return nil, nil, err
	}
	in, out := slices.Collect(slices.Chunk(noise(batch*model.ImageBytes()), model.ImageBytes())), make([][]float32, batch)
	return func() error { return runner.Run(in, out) }, func() {
		runner.Close()
		runtime.UnlockOSThread()
	}, nil
}

// noise is so many random bytes, the same each time.
func noise(n int) []byte {
	random, b := rand.New(rand.NewPCG(1, 2)), make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func (r engineResult) print(out io.Writer) error {
	fmt.Fprintf(out, "%s, %s on %s, %d × %d threads, batches of %d, %s s\n\n",
		r.Model, r.Precision, r.Device, r.Runners, r.Threads, r.Batch, figure(r.Duration))
	fmt.Fprintf(out, "%s images/s\n\n", figure(r.ImagesPerSecond))
	return printQuantiles(out, []namedQuantiles{{"a batch", r.Latency}})
}
