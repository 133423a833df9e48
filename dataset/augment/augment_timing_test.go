package augment

import (
	"testing"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/vision"
)

func benchmark(b *testing.B, p dataset.Transform, src *vision.Image) {
	h, w := p.Size(src.Height, src.Width)
	dst := make([]byte, h*w*3)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Apply(dst, src, dataset.Key{Seed: 1, Index: i})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
}

// BenchmarkCIFAR changes 32x32 images; dataset.Augment, which can do less, is the measure.
func BenchmarkCIFAR(b *testing.B) {
	src := picture(32, 32)
	b.Run("dataset.Augment", func(b *testing.B) { benchmark(b, &dataset.Augment{Pad: 4, Flip: true, Cutout: 8}, src) })
	c := CIFAR()
	c.Cutout = 8
	b.Run("crop-flip-cutout", func(b *testing.B) { benchmark(b, mustNew(b, c, 32), src) })
	for _, policy := range []string{"rand-m9-mstd0.5-inc1", "trivial", "autoaugment-cifar10", "augmix"} {
		c.AutoAugment = policy
		b.Run(policy, func(b *testing.B) { benchmark(b, mustNew(b, c, 32), src) })
	}
}

// BenchmarkImageNet changes photos of ImageNet's usual size to 224x224.
func BenchmarkImageNet(b *testing.B) {
	src := picture(500, 375)
	c := ImageNet()
	c.ColorJitter = nil
	b.Run("crop-flip", func(b *testing.B) { benchmark(b, mustNew(b, c, 224), src) })
	c.ColorJitter = Jitter{0.4}
	b.Run("jitter", func(b *testing.B) { benchmark(b, mustNew(b, c, 224), src) })
	c.ReProb, c.ReMode = 0.25, ErasePixel
	for _, policy := range []string{"rand-m9-mstd0.5-inc1", "trivial", "augmix"} {
		c.AutoAugment = policy
		b.Run(policy, func(b *testing.B) { benchmark(b, mustNew(b, c, 224), src) })
	}
}

// BenchmarkMix mixes batches of 128 CIFAR images.
func BenchmarkMix(b *testing.B) {
	images := make([]byte, 128*32*32*3)
	for i := range images {
		images[i] = byte(i * 7)
	}
	f := func(name string, c Config) {
		x := mustMixer(b, c, 10)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				x.Plan(1, 1, i, 32, 32).Apply(images, 128, 32, 32)
			}
			b.ReportMetric(128*float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
	f("mixup", Config{Mixup: 0.8})
	f("cutmix", Config{CutMix: 1})
}
