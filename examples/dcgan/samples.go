package main

import (
	"fmt"
	"image"
	"image/png"
	"os"

	"github.com/torchlit/torchlit/examples/internal/digits"
	"github.com/torchlit/torchlit/torch"
)

const (
	columns = 8
	samples = columns * columns
	zoom    = 2 // pixels of the file per pixel of a sample
)

// save writes what the generator makes of the noise [samples, ideas, 1, 1] to a PNG file.
func (g *game) save(file string, noise torch.Tensor) error {
	var values []float32
	g.generator.Train(false)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		torch.NoGrad(func() { values = torch.Slice[float32](g.generator.Forward(noise)) })
	})
	g.generator.Train(true)
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("cannot save the samples: %w", err)
	}
	err = png.Encode(f, grid(values))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("cannot save the samples: %w", err)
	}
	return nil
}

// grid lays pictures from -1 to 1, one after another in values, out in rows.
func grid(values []float32) *image.Gray {
	const cell = zoom * (digits.Side + 1)
	m := image.NewGray(image.Rect(0, 0, columns*cell, columns*cell))
	for y := range columns * cell {
		for x := range columns * cell {
			px, py := x%cell/zoom, y%cell/zoom
			if px == digits.Side || py == digits.Side {
				continue // the gap between two samples
			}
			i := y/cell*columns + x/cell
			v := values[(i*digits.Side+py)*digits.Side+px]
			m.Pix[y*m.Stride+x] = byte((v + 1) / 2 * 255)
		}
	}
	return m
}
