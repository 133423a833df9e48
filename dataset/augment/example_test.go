package augment_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dataset/augment"
)

// A loader whose images are changed, and whose batches are mixed.
func Example() {
	set := &dataset.Set{Classes: []string{"cat", "dog"}, Height: 40, Width: 40, Images: make([]byte, 6*40*40*3), Labels: []int64{0, 1, 0, 1, 0, 1}}
	cfg := augment.CIFAR()
	cfg.AutoAugment, cfg.Mixup, cfg.Smoothing = "trivial", 0.2, 0.1

	transform, err := augment.New(cfg, 32)
	if err != nil {
		fmt.Println(err)
		return
	}
	mixer, err := augment.NewMixer(cfg, len(set.Classes))
	if err != nil {
		fmt.Println(err)
		return
	}
	loader, err := dataset.NewLoader(dataset.LoaderConfig{Source: set, BatchSize: 4, Transform: transform, Shuffle: true, Seed: 1, Epoch: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loader.Close()
	for {
		batch, err := loader.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			fmt.Println(err)
			return
		}
		mix := mixer.Plan(1, 2, batch.Index, 32, 32)
		mix.Apply(batch.Images, batch.N, 32, 32)
		targets := make([]float32, batch.N*mixer.Classes())
		mixer.Targets(targets, batch.Labels, mix)
		fmt.Printf("%d images, %d bytes, targets of the first sum to %.1f\n", batch.N, len(batch.Images), targets[0]+targets[1])
		batch.Release()
	}
	fmt.Println(transform)
	// Output:
	// 4 images, 12288 bytes, targets of the first sum to 1.0
	// 2 images, 6144 bytes, targets of the first sum to 1.0
	// Resize(32) → RandomCrop(padding=4, padding_mode=constant) → RandomHorizontalFlip(p=0.5) → TrivialAugmentWide(num_magnitude_bins=31)
}

func ExampleConfig_Validate() {
	fmt.Println(augment.Config{AutoAugment: "rand-m9-q3"}.Validate(224))
	// Output:
	// cannot use auto_augment "rand-m9-q3": section "q3" is not known; sections begin with inc, m, mmax, mstd, n, p
}
