package dataset

import (
	"context"
	"io"
	"testing"
)

// BenchmarkAugmentBatch augments a training batch: 128 images of 32×32 pixels.
func BenchmarkAugmentBatch(b *testing.B) {
	s := noise(128, 32, 32)
	a := &Augment{Pad: 4, Flip: true, Cutout: 8}
	dst := make([]byte, len(s.Images))
	b.ReportAllocs()
	for epoch := 0; b.Loop(); epoch++ {
		for i := range s.Len() {
			src := s.view(i)
			a.Apply(dst[i*s.imageLen():][:s.imageLen()], &src, Key{Seed: 1, Epoch: epoch, Index: i})
		}
	}
	b.ReportMetric(float64(b.N)*128/b.Elapsed().Seconds(), "images/s")
}

// BenchmarkLoader runs whole epochs of 10,000 images.
func BenchmarkLoader(b *testing.B) {
	s := noise(10_000, 32, 32)
	b.ReportAllocs()
	for epoch := 0; b.Loop(); epoch++ {
		l, err := NewLoader(LoaderConfig{Source: s, BatchSize: 128, Shuffle: true, Epoch: epoch, Transform: &Augment{Pad: 4, Flip: true}})
		if err != nil {
			b.Fatal(err)
		}
		for {
			batch, err := l.Next(context.Background())
			if err == io.EOF {
				break
			}
			batch.Release()
		}
		l.Close()
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "images/s")
}
