package train_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/train"
)

func TestFindLR(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	cfg := small(t, stripes(t, 40))
	curve, err := train.FindLR(t.Context(), cfg, train.LRSearch{MinLR: 1e-6, MaxLR: 10, Steps: 60})
	require.NoError(t, err)
	require.Equal(t, len(curve.LRs), len(curve.Losses))
	assert.InDelta(t, 1e-6, curve.LRs[0], 1e-12)
	assert.Greater(t, curve.Suggestion, 1e-5, "nothing is learnt at a rate of 1e-6 …")
	assert.Less(t, curve.Suggestion, 1.0, "… and the loss explodes at 1")
	left, err := os.ReadDir(cfg.OutputDir)
	require.NoError(t, err)
	assert.Empty(t, left)

	_, err = train.FindLR(t.Context(), cfg, train.LRSearch{MinLR: 1, MaxLR: 1e-3})
	require.ErrorContains(t, err, "it must grow")
}

func TestFindBatchSize(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	cfg := small(t, stripes(t, 40))
	found, err := train.FindBatchSize(t.Context(), cfg, train.BatchSearch{From: 8, Steps: 1})
	require.NoError(t, err)
	require.Len(t, found.Tried, 5, "8, 16, 32 and 64 of the 80 images fit in a batch")
	assert.Equal(t, 60, found.Suggestion, "64 less a twentieth")
	for _, trial := range found.Tried[:4] {
		assert.Positive(t, trial.ImagesPerSecond)
		assert.Empty(t, trial.Refused)
	}
	assert.Greater(t, found.Tried[3].Memory, found.Tried[0].Memory)
	assert.Contains(t, found.Tried[4].Refused, "80 images in batches of 128")

	// A bound between two sizes' needs is found by halving.
	bound := (found.Tried[1].Memory + found.Tried[2].Memory) / 2
	refined, err := train.FindBatchSize(t.Context(), cfg, train.BatchSearch{From: 8, Steps: 1, Refine: true, Memory: bound, Margin: 1e-9})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, refined.Suggestion, 15)
	assert.Less(t, refined.Suggestion, 32)
	assert.Contains(t, refined.Tried[2].Refused, "out of memory")
}
