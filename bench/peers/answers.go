package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/torchlit/torchlit/bench"
	"github.com/torchlit/torchlit/client"
)

// checkedPhotos is how many photos are asked about one by one.
const checkedPhotos = 200

// answersOf asks a server for the likeliest class of each photo that torchlit bench sends. Photos that it cannot decode are
// an error: they would be counted as answers.
func answersOf(ctx context.Context, p *process, folder string) (map[string]int, error) {
	images, err := bench.ReadImages(folder, 1)
	if err != nil {
		return nil, err
	}
	c, err := client.New(p.url)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	said := map[string]int{}
	for i, photo := range images.Files[:min(len(images.Files), checkedPhotos)] {
		within, cancel := context.WithTimeout(ctx, time.Minute)
		r, err := c.Classify(within, photo, client.TopK(5))
		cancel()
		if refused, ok := errors.AsType[*client.Error](err); ok {
			return nil, fmt.Errorf("%s refuses photo %d of %d bytes: %w", p.name, i, len(photo), refused)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot ask %s about photo %d: %w", p.name, i, err)
		}
		said[fmt.Sprint(i)] = r.Top().Index
	}
	return said, nil
}
