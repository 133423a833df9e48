package corrupt_test

import (
	"bytes"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
	"github.com/torchlit/torchlit/vision/corrupt"
)

// pictures returns photos in the two sizes that have parameters of their own.
func pictures(t testing.TB) map[string][]*vision.Image {
	t.Helper()
	sets := map[string][]*vision.Image{}
	for _, name := range []string{"photo.jpg", "portrait.png", "landscape.png"} {
		data, err := os.ReadFile("../testdata/" + name)
		require.NoError(t, err)
		img, err := vision.Decode(data, vision.Limits{})
		require.NoError(t, err)
		for size, side := range map[string][2]int{"small": {32, 32}, "large": {120, 90}} {
			scaled, err := vision.PillowResizer(img, side[0], side[1], vision.Bilinear)
			require.NoError(t, err)
			sets[size] = append(sets[size], scaled)
		}
	}
	return sets
}

func apply(t testing.TB, name string, severity int, m *vision.Image, seed uint64) []byte {
	t.Helper()
	out, err := corrupt.Apply(name, severity, m.Pix, m.Width, m.Height, seed)
	require.NoError(t, err)
	require.Len(t, out, len(m.Pix))
	return out
}

// distance is the root of the mean squared difference.
func distance(a, b []byte) float64 {
	var sum float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(a)))
}

func moments(pix []byte) (mean, deviation float64) {
	for _, v := range pix {
		mean += float64(v)
	}
	mean /= float64(len(pix))
	for _, v := range pix {
		deviation += (float64(v) - mean) * (float64(v) - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(pix)))
}

func TestSeveritiesGrow(t *testing.T) {
	for size, images := range pictures(t) {
		for _, name := range corrupt.Names() {
			before, seeds := 0.5, 1 // what is to be seen at all
			if name == "fog" {
				seeds = 40 // one cloud differs from the next by more than two severities
			}
			for severity := 1; severity <= corrupt.Severities; severity++ {
				var mean float64
				for i, m := range images {
					for s := range seeds {
						mean += distance(m.Pix, apply(t, name, severity, m, uint64(100*i+s))) / float64(len(images)*seeds)
					}
				}
				assert.Greater(t, mean, before, "%s of %s images: severity %d is no worse than the one before", name, size, severity)
				before = mean
			}
		}
	}
}

func TestDirections(t *testing.T) {
	f := func(name string, check func(mean, deviation, newMean, newDeviation float64) bool) {
		t.Helper()
		for size, images := range pictures(t) {
			for severity := 1; severity <= corrupt.Severities; severity++ {
				for _, m := range images {
					mean, deviation := moments(m.Pix)
					newMean, newDeviation := moments(apply(t, name, severity, m, 1))
					assert.True(t, check(mean, deviation, newMean, newDeviation), "%s %d of a %s image: mean %.1f to %.1f, deviation %.1f to %.1f",
						name, severity, size, mean, newMean, deviation, newDeviation)
				}
			}
		}
	}
	f("brightness", func(mean, _, newMean, _ float64) bool { return newMean > mean+3 })
	f("contrast", func(mean, deviation, newMean, newDeviation float64) bool {
		return math.Abs(newMean-mean) < 1 && newDeviation < 0.85*deviation
	})
	f("fog", func(_, deviation, _, newDeviation float64) bool { return newDeviation < deviation })
	f("gaussian_blur", func(mean, deviation, newMean, newDeviation float64) bool {
		return math.Abs(newMean-mean) < 3 && newDeviation < deviation
	})
	f("gaussian_noise", func(mean, deviation, newMean, newDeviation float64) bool { return newDeviation > deviation })
	f("pixelate", func(mean, _, newMean, _ float64) bool { return math.Abs(newMean-mean) < 3 })
}

func TestSeeds(t *testing.T) {
	random := []string{"fog", "gaussian_noise"}
	m := pictures(t)["small"][0]
	original := slices.Clone(m.Pix)
	for _, name := range corrupt.Names() {
		once := apply(t, name, 3, m, 7)
		assert.True(t, bytes.Equal(once, apply(t, name, 3, m, 7)), "%s: one seed gives two images", name)
		assert.Equal(t, !slices.Contains(random, name), bytes.Equal(once, apply(t, name, 3, m, 8)), "%s: two seeds", name)
	}
	assert.Equal(t, original, m.Pix, "the image itself was changed")
}

// TestFlatAndTiny: an image of one colour has nothing to blur, and small sides end no loop early.
func TestFlatAndTiny(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {2, 5}, {33, 31}, {65, 70}} {
		m := &vision.Image{Width: size[0], Height: size[1], Pix: bytes.Repeat([]byte{90, 60, 200}, size[0]*size[1])}
		for severity := 1; severity <= corrupt.Severities; severity++ {
			for _, name := range corrupt.Names() {
				out := apply(t, name, severity, m, 1)
				switch name {
				case "gaussian_blur", "defocus_blur", "pixelate", "contrast":
					assert.True(t, bytes.Equal(m.Pix, out), "%s %d of %v: %v becomes %v", name, severity, size, m.Pix[:3], out[:3])
				case "brightness":
					assert.InDelta(t, 90.0/200, float64(out[0])/float64(out[2]), 0.01, "the channels' ratio is the hue")
				}
			}
		}
	}
	black := make([]byte, 3*40*40)
	out, err := corrupt.Apply("brightness", 1, black, 40, 40, 1)
	require.NoError(t, err)
	assert.Equal(t, []byte{12, 12, 12}, out[:3], "black becomes grey")
	out, err = corrupt.Apply("fog", 5, black, 40, 40, 1)
	require.NoError(t, err)
	assert.Equal(t, black, out, "fog is no brighter than the brightest pixel")
}

func TestRefusals(t *testing.T) {
	f := func(name string, severity, bytes, w, h int, words string) {
		t.Helper()
		_, err := corrupt.Apply(name, severity, make([]byte, bytes), w, h, 1)
		assert.ErrorContains(t, err, words)
	}
	f("snow", 1, 12, 2, 2, `"snow": known are brightness, contrast, defocus_blur, fog, gaussian_blur, gaussian_noise, jpeg_compression, pixelate`)
	f("fog", 0, 12, 2, 2, "give 1 to 5")
	f("fog", 6, 12, 2, 2, "give 1 to 5")
	f("fog", 1, 11, 2, 2, "three bytes a pixel")
	f("fog", 1, 0, 0, 2, "three bytes a pixel")
	assert.ErrorContains(t, corrupt.Check("snow", 1), "known are")
	assert.NoError(t, corrupt.Check("fog", 5))
}

func BenchmarkApply(b *testing.B) {
	m := &vision.Image{Width: 224, Height: 224, Pix: make([]byte, 224*224*3)}
	for i := range m.Pix {
		m.Pix[i] = byte(i * 37)
	}
	for _, name := range corrupt.Names() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				apply(b, name, 5, m, 1)
			}
		})
	}
}
