package server

import (
	"image"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// TestDecodeCrew: a large photo gives the same pixels on a thread of the crew as on the caller's own, many at once and after the
// crew has stopped; an error is the caller's, and so is a panic.
func TestDecodeCrew(t *testing.T) {
	noise := image.NewRGBA(image.Rect(0, 0, 300, 200))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise.Pix {
		noise.Pix[i] = byte(random.Uint32())
	}
	photo := jpegOf(noise)
	require.Greater(t, len(photo), longDecode)
	m := &served{Model: colourModel("colours", "1")}
	m.Resizer = vision.PillowResizer
	want := make([]byte, m.Preprocess.Size())
	require.NoError(t, m.Preprocess.Read(photo, m.Limits, m.Resizer, want))

	c := startDecodeCrew(2, decodeHere)
	same := func() {
		got := make([]byte, len(want))
		assert.NoError(t, c.read(t.Context(), m, photo, got))
		assert.Equal(t, want, got)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				same()
			}
		})
	}
	wg.Wait()
	assert.Error(t, c.read(t.Context(), m, make([]byte, longDecode), want))

	broken := &served{Model: m.Model}
	broken.Resizer = func(*vision.Image, int, int, vision.Interpolation) (*vision.Image, error) { panic("no pixels left") }
	for range 3 { // more often than there are threads
		assert.PanicsWithValue(t, assert.AnError, func() {
			defer func() {
				assert.Contains(t, recover(), "no pixels left")
				panic(assert.AnError)
			}()
			_ = c.read(t.Context(), broken, photo, want)
		})
	}
	same()
	c.stop()
	same()
}
