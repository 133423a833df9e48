//go:build !race

// The race detector empties pools at random, so the budgets hold without it only.

package augment

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset"
)

func TestAllocatesNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	src := picture(50, 40)
	dst := make([]byte, 32*32*3)
	f := func(c Config) {
		t.Helper()
		p := mustNew(t, c, 32)
		i := 0
		show := func() { p.Apply(dst, src, dataset.Key{Index: i}); i++ }
		for range 500 { // pools fill with the largest that is needed
			show()
		}
		require.Zero(t, testing.AllocsPerRun(500, show))
	}
	f(Config{})
	f(CIFAR())
	f(everything())
	for _, policy := range []string{"trivial", "randaugment", "autoaugment-cifar10", "original", "3a", "augmix", "augmix-b1"} {
		f(Config{AutoAugment: policy})
	}

	x := mustMixer(t, Config{Mixup: 1, CutMix: 1}, 10)
	images, labels, targets := make([]byte, 8*32*32*3), make([]int64, 8), make([]float32, 80)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m := x.Plan(1, 1, 1, 32, 32)
		m.Apply(images, 8, 32, 32)
		x.Targets(targets, labels, m)
	}))
}
