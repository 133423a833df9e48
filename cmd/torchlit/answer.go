package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/vision"
)

// answer is what a server with a prediction log records of an image: the probabilities, the embedding if the pipeline was opened
// with one, and what the image looks like.
func (p *pipeline) answer(ctx context.Context, data []byte) (*monitor.Answer, error) {
	pixels := make([]byte, p.model.ImageBytes())
	if err := p.preprocess.Read(data, vision.Limits{}, predict.Resize, pixels); err != nil {
		return nil, err
	}
	m := monitor.NoImage()
	m.Bytes = len(data)
	m.Width, m.Height, _ = vision.Size(data)
	return p.answerPixels(ctx, pixels, m)
}

// answerPixels is answer for an image as the model sees it, of whose file m tells. The pixels are the pipeline's from then on.
func (p *pipeline) answerPixels(ctx context.Context, pixels []byte, m monitor.Image) (*monitor.Answer, error) {
	m.Measure(pixels, p.preprocess.Width, p.preprocess.Height)
	a := &monitor.Answer{Time: time.Now(), Labels: p.folder.Labels(), Image: m}
	result, err := p.batcher.Do(ctx, pixels)
	if err != nil {
		return nil, err
	}
	n := p.model.Classes()
	a.Probabilities = result.Value[:n:n]
	if p.model.Embedding() > 0 {
		a.Embedding = result.Value[n:]
	}
	return a, nil
}

// answerAll answers the files, and returns the answers in their order.
func (p *pipeline) answerAll(ctx context.Context, files []string) ([]*monitor.Answer, error) {
	answers := make([]*monitor.Answer, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, file := range files {
		group.Go(func() error {
			data, err := os.ReadFile(file)
			if err == nil {
				answers[i], err = p.answer(ctx, data)
			}
			if err != nil {
				return fmt.Errorf("cannot classify %q: %w", file, err)
			}
			return nil
		})
	}
	return answers, group.Wait()
}

// answerLabelled answers a folder that has one subfolder of images a class.
func (p *pipeline) answerLabelled(ctx context.Context, dir string) (answers []*monitor.Answer, truth []int, err error) {
	listing, err := dataset.List(dir, p.folder.Labels())
	if err != nil {
		return nil, nil, err
	}
	truth = make([]int, len(listing.Labels))
	for i, l := range listing.Labels {
		truth[i] = int(l)
	}
	answers, err = p.answerAll(ctx, listing.Files)
	return answers, truth, err
}
