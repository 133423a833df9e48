package phash_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
	"github.com/torchlit/torchlit/vision/corrupt"
	"github.com/torchlit/torchlit/vision/phash"
)

func hash(t *testing.T, m *vision.Image) uint64 {
	t.Helper()
	h, err := phash.Of(m)
	require.NoError(t, err)
	return h
}

// drawn is a picture of soft random blots.
func drawn(t *testing.T, seed uint64) *vision.Image {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	blots := &vision.Image{Width: 8, Height: 8, Pix: make([]byte, 8*8*3)}
	for i := range blots.Pix {
		blots.Pix[i] = byte(40 + rng.IntN(180))
	}
	m, err := vision.PillowResizer(blots, 96, 80, vision.Bicubic)
	require.NoError(t, err)
	return m
}

func TestAlikeAndUnlike(t *testing.T) {
	var hashes []uint64
	for seed := range uint64(40) {
		m := drawn(t, seed)
		h := hash(t, m)
		for _, kind := range []string{"brightness", "jpeg_compression", "pixelate"} {
			pix, err := corrupt.Apply(kind, 1, m.Pix, m.Width, m.Height, 1)
			require.NoError(t, err)
			assert.LessOrEqual(t, phash.Distance(h, hash(t, &vision.Image{Width: m.Width, Height: m.Height, Pix: pix})), 6, "%s of %d", kind, seed)
		}
		half, err := vision.PillowResizer(m, m.Width/2, m.Height/2, vision.Bilinear)
		require.NoError(t, err)
		assert.LessOrEqual(t, phash.Distance(h, hash(t, half)), 4, "%d at a half", seed)
		for i, other := range hashes {
			assert.Greater(t, phash.Distance(h, other), 12, "%d and %d", seed, i)
		}
		hashes = append(hashes, h)
	}
	assert.Equal(t, 64, phash.Distance(0, 1<<64-1))
	_, err := phash.Of(&vision.Image{})
	assert.ErrorContains(t, err, "cannot hash")
}

func BenchmarkOf(b *testing.B) {
	m := &vision.Image{Width: 224, Height: 224, Pix: make([]byte, 224*224*3)}
	for b.Loop() {
		if _, err := phash.Of(m); err != nil {
			b.Fatal(err)
		}
	}
}
