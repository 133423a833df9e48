package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/vision"
)

// precisionHelp is for flags; a struct's tag, which cannot name it, has the same.
const precisionHelp = "fp32, bf16, int8, or auto for the fastest that this CPU is made for and whose accuracy on this model was measured (export --int8)"

// pipeline is a model with its batcher: image bytes in, probabilities out. Its
// methods may be called by many goroutines at once.
type pipeline struct {
	folder     *modeldir.Folder
	model      *predict.Model
	batcher    *batching.Batcher[[]byte, []float32]
	preprocess vision.Preprocess
	loadTime   time.Duration
}

// queueSettings bound what waits for a model; see the fields of these names in batching.Config.
type queueSettings struct {
	max    int
	target time.Duration
}

// Where nothing else is said, so many full batches for each runner may wait, and where batches are small at least as many images as
// a hundred clients send that have one under way each.
const (
	queuedBatches = 4
	leastQueue    = 128
)

func openPipeline(dir string, opts predict.Options, queue queueSettings, observer batching.Observer) (*pipeline, error) {
	folder, err := modeldir.Open(dir)
	if err != nil {
		return nil, err
	}
	return openFolder(folder, opts, queue, observer)
}

// openFolder is openPipeline for a folder that was read before.
func openFolder(folder *modeldir.Folder, opts predict.Options, queue queueSettings, observer batching.Observer) (*pipeline, error) {
	start := time.Now()
	model, err := predict.OpenFolder(folder, opts)
	if err != nil {
		return nil, err
	}
	chosen := model.Options()
	if queue.max == 0 && queue.target == 0 {
		queue.max = max(leastQueue, queuedBatches*chosen.MaxBatch*chosen.Runners)
	}
	batcher, err := batching.Open(batching.Config[[]byte, []float32]{
		NewRunner: func(int) (batching.Runner[[]byte, []float32], error) {
			r, err := model.NewRunner()
			if err != nil {
				return nil, err
			}
			return r, nil
		},
		Runners:       chosen.Runners,
		MaxBatch:      chosen.MaxBatch,
		MaxQueue:      queue.max,
		LatencyTarget: queue.target,
		Cost:          func(n int) time.Duration { return model.Cost()(n) },
		Observer:      observer,
	})
	if err != nil {
		model.Close()
		return nil, err
	}
	return &pipeline{folder, model, batcher, folder.Preprocess(), time.Since(start)}, nil
}

// probabilities decodes an encoded image and classifies it.
func (p *pipeline) probabilities(ctx context.Context, data []byte) ([]float32, error) {
	pixels := make([]byte, p.model.ImageBytes())
	if err := p.preprocess.Read(data, vision.Limits{}, predict.Resize, pixels); err != nil {
		return nil, err
	}
	result, err := p.batcher.Do(ctx, pixels)
	return result.Value, err
}

// infer is the batcher's DoPriority with the server's word for what a model's own code refused, and asked its DoAsked.
func (p *pipeline) infer(ctx context.Context, image []byte, priority batching.Priority) (batching.Result[[]float32], error) {
	result, err := p.batcher.DoPriority(ctx, image, priority)
	return result, serverError(err)
}

func (p *pipeline) asked(ctx context.Context, image []byte, priority batching.Priority) (batching.Result[[]float32], error) {
	result, err := p.batcher.DoAsked(ctx, image, priority)
	return result, serverError(err)
}

func serverError(err error) error {
	if errors.Is(err, predict.ErrForward) {
		return fmt.Errorf("%w: %w", server.ErrModelFailed, err)
	}
	return err
}

// rate is how many images a second the model's runners take in full batches, going by the warm-up. Where each has a fixed number of
// threads that was of one runner alone, so several on the same cores take less.
func (p *pipeline) rate() float64 {
	chosen := p.model.Options()
	took := p.model.Cost()(chosen.MaxBatch).Seconds()
	if took == 0 {
		return 0
	}
	return float64(chosen.Runners*chosen.MaxBatch) / took
}

// close runs what still waits and frees the model.
func (p *pipeline) close(ctx context.Context) error {
	err := p.batcher.Drain(ctx)
	p.batcher.Close()
	p.model.Close()
	return err
}

// bundled is the place of the models that come with Torchlit.
func bundled() (string, error) {
	if dir := installed("models"); dir != "" {
		return dir, nil
	}
	return "", errors.New("cannot find the bundled models beside the binary; name a folder with --models or --model")
}

// openOne opens the one model that a command works on: dir, or the bundled one.
// Where dir holds several, the newest version of the first is taken.
func openOne(dir, precision string, maxBatch int) (*pipeline, error) {
	dir, err := oneModel(dir)
	if err != nil {
		return nil, err
	}
	return openPipeline(dir, predict.Options{MaxBatch: maxBatch, Precision: precision}, queueSettings{max: inFlight}, batching.Observer{})
}

// oneModel finds the folder of the model that openOne opens.
func oneModel(dir string) (string, error) {
	e, err := oneEntry(dir)
	return e.Dir, err
}

// oneEntry is oneModel with the name and the version under which it would be served.
func oneEntry(dir string) (pick modeldir.Entry, err error) {
	if dir == "" {
		if dir, err = bundled(); err != nil {
			return pick, err
		}
	}
	entries, err := modeldir.List(dir)
	if err != nil {
		return pick, err
	}
	if len(entries) == 0 {
		return pick, fmt.Errorf("cannot find a model in %q: it holds no folder with a %s", dir, modeldir.ConfigFile)
	}
	pick = entries[0]
	for _, e := range entries {
		if e.Name == pick.Name {
			pick = e // versions are in order
		}
	}
	return pick, nil
}
