package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/monitor/reference"
	"github.com/torchlit/torchlit/predict"
)

// openEmbedding opens a model folder so that its answers have an embedding, if it has one to give. What is measured on one machine is
// compared with what is served on another, so it is fp32 unless something else is asked for.
func openEmbedding(dir, precision string) (*pipeline, error) {
	return openPipeline(dir, predict.Options{Precision: precision, Embed: true}, queueSettings{max: inFlight}, batching.Observer{})
}

// makeReference answers the labelled images of data with the model of dir, and tells out what came of it.
func makeReference(ctx context.Context, out io.Writer, dir, data string) (*reference.Reference, error) {
	p, err := openEmbedding(dir, predict.FP32)
	if err != nil {
		return nil, err
	}
	defer p.close(context.Background())
	answers, truth, err := p.answerLabelled(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("cannot make a reference: %w", err)
	}
	r, err := reference.Build(answers, truth, reference.Options{Source: fmt.Sprintf("%d images of %s", len(answers), setName(data))})
	if err != nil {
		return nil, fmt.Errorf("%w; name a folder with more images in --reference", err)
	}
	_, err = fmt.Fprintf(out, "reference: %s, %.2f %% answered rightly\n", r.Source, 100*r.Accuracy)
	return r, err
}

// setName is the end of a folder's path: "cifar10/test" says more than "test".
func setName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.ToSlash(filepath.Join(filepath.Base(filepath.Dir(dir)), filepath.Base(dir)))
}

// referenceOf reads the reference of a model folder; nil where it has none.
func referenceOf(folder *modeldir.Folder) (*reference.Reference, error) {
	name := folder.Extras.DriftReference
	if name == "" {
		return nil, nil
	}
	r, err := reference.Read(filepath.Join(folder.Dir, name))
	if err != nil {
		return nil, err
	}
	if len(r.Labels) != len(folder.Labels()) {
		return nil, fmt.Errorf("cannot use the reference of model folder %q: it has %d classes, the model %d; make it anew with torchlit export --reference",
			folder.Dir, len(r.Labels), len(folder.Labels()))
	}
	return r, nil
}
