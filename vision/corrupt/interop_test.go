//go:build interop

package corrupt_test

import (
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/vision"
	"github.com/torchlit/torchlit/vision/corrupt"
)

// TestInteropImageCorruptions: what is not random is, but for rounding, what the public implementation of the benchmark makes; what is
// random has the same mean and the same spread.
func TestInteropImageCorruptions(t *testing.T) {
	python := interop.Python(t, "corruptions")
	for size, images := range pictures(t) {
		for i, m := range images {
			dir := t.TempDir()
			picture := filepath.Join(dir, "in.png")
			writePNG(t, picture, m)
			var statistics map[string][2]float64
			require.NoError(t, json.Unmarshal([]byte(interop.Run(t, python, "testdata/referee.py", picture, dir)), &statistics))
			for _, name := range corrupt.Names() {
				for severity := 1; severity <= corrupt.Severities; severity++ {
					key := fmt.Sprintf("%s_%d", name, severity)
					what := fmt.Sprintf("%s of %s image %d", key, size, i)
					if want, random := statistics[key]; random {
						compareStatistics(t, what, want, name, severity, m)
						continue
					}
					comparePixels(t, what, filepath.Join(dir, key+".png"), name, severity, m)
				}
			}
		}
	}
}

func writePNG(t *testing.T, file string, m *vision.Image) {
	t.Helper()
	f, err := os.Create(file)
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, m.RGBA()))
	require.NoError(t, f.Close())
}

// comparePixels bounds the mean difference, out of 255. The referee's disks are a hundredth too bright where they touch the edge of
// their square; coders of JPEG round in different places.
func comparePixels(t *testing.T, what, file, name string, severity int, m *vision.Image) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	want, err := vision.Decode(data, vision.Limits{})
	require.NoError(t, err)
	got := apply(t, name, severity, m, 1)
	var sum float64
	for i := range got {
		sum += math.Abs(float64(got[i]) - float64(want.Pix[i]))
	}
	bound := 0.1
	if name == "jpeg_compression" || name == "defocus_blur" {
		bound = 2
	}
	assert.Less(t, sum/float64(len(got)), bound, what)
}

func compareStatistics(t *testing.T, what string, want [2]float64, name string, severity int, m *vision.Image) {
	t.Helper()
	const seeds = 60
	var got [2]float64
	for seed := range uint64(seeds) {
		mean, deviation := moments(apply(t, name, severity, m, seed))
		got[0], got[1] = got[0]+mean/seeds, got[1]+deviation/seeds
	}
	bound := 0.5
	if name == "fog" {
		bound = 4 // clouds differ: a standard error of one and more
	}
	assert.InDelta(t, want[0], got[0], bound, "mean of %s", what)
	assert.InDelta(t, want[1], got[1], bound, "spread of %s", what)
}
