// Package phash tells pictures that look alike by 64 bits: of a picture that was resized, compressed or brightened they hardly
// change, of another one about half of them are others.
package phash

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/torchlit/torchlit/vision"
)

// The hash looks at a picture of side×side pixels, and keeps its low×low lowest frequencies.
const side, low = 32, 8

// waves are the cosines of the transform: [frequency][place].
var waves = func() (w [low][side]float64) {
	for k := range w {
		for n := range w[k] {
			w[k][n] = math.Cos(math.Pi * float64(k) * (2*float64(n) + 1) / (2 * side))
		}
	}
	return w
}()

// Of returns the perceptual hash of a picture that has pixels: which of the lowest frequencies of its discrete cosine transform are
// above their median, row by row, the first bit being the highest. It is Python's imagehash.phash but for the kernel that shrinks the
// picture, which is bicubic here. Many goroutines may call it at once.
func Of(m *vision.Image) (uint64, error) {
	small, err := vision.PillowResizer(m, side, side, vision.Bicubic)
	if err != nil {
		return 0, fmt.Errorf("cannot hash a picture: %w", err)
	}
	if small != m {
		defer small.Release()
	}
	var rows [low][side]float64 // [frequency down][column]
	for i := range side * side {
		y, x := i/side, i%side
		grey := luma(small.Pix[3*i:])
		for k := range rows {
			rows[k][x] += grey * waves[k][y]
		}
	}
	values := make([]float64, 0, low*low)
	for _, row := range rows {
		for k := range low {
			var sum float64
			for x, v := range row {
				sum += v * waves[k][x]
			}
			values = append(values, sum)
		}
	}
	sorted := slices.Sorted(slices.Values(values))
	median := (sorted[len(sorted)/2-1] + sorted[len(sorted)/2]) / 2
	var hash uint64
	for _, v := range values {
		hash <<= 1
		if v > median {
			hash |= 1
		}
	}
	return hash, nil
}

// luma is Pillow's grey of a pixel.
func luma(px []byte) float64 {
	return float64((19595*int(px[0]) + 38470*int(px[1]) + 7471*int(px[2]) + 1<<15) >> 16)
}

// Distance is by how many bits two hashes differ: 0 to 64.
func Distance(a, b uint64) int { return bits.OnesCount64(a ^ b) }
