package corrupt

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// fog lays a plasma fractal over the image, and darkens both so that nothing is brighter than before.
func fog(m raster, p [2]float64, seed uint64) ([]byte, error) {
	side := max(32, 1<<bits.Len(uint(max(m.w, m.h)-1)))
	cloud := plasma(side, p[1], rand.New(rand.NewPCG(seed, 2)))
	brightest := float64(slices.Max(m.pix))
	scale := brightest / (brightest + 255*p[0])
	out := make([]byte, len(m.pix))
	for i, v := range m.pix {
		at := i / 3
		here := float64(cloud[at/m.w*side+at%m.w])
		out[i] = sample((float64(v) + 255*p[0]*here) * scale)
	}
	return out, nil
}

// plasma is a fractal of side×side values from 0 to 1 by the diamond-square algorithm (Fournier, Fussell and Carpenter, "Computer
// Rendering of Stochastic Models", 1982) on a torus. The side is a power of two. The noise of one scale is divided by decay² for
// the next: the higher, the smoother.
func plasma(side int, decay float64, rng *rand.Rand) []float32 {
	m := make([]float32, side*side)
	wrap := side - 1
	at := func(x, y int) float32 { return m[(y&wrap)*side+x&wrap] }
	wobble := 100.0
	for step := side; step >= 2; step /= 2 {
		half := step / 2
		set := func(x, y int, neighbours float32) {
			m[y*side+x] = neighbours/4 + float32(wobble*wobble*(2*rng.Float64()-1))
		}
		for y := half; y < side; y += step { // the middles of squares, between their corners
			for x := half; x < side; x += step {
				set(x, y, at(x-half, y-half)+at(x+half, y-half)+at(x-half, y+half)+at(x+half, y+half))
			}
		}
		for y := 0; y < side; y += half { // the middles of edges, between corners and middles
			for x := (y + half) % step; x < side; x += step {
				set(x, y, at(x-half, y)+at(x+half, y)+at(x, y-half)+at(x, y+half))
			}
		}
		wobble /= decay
	}
	low, high := slices.Min(m), slices.Max(m)
	for i := range m {
		m[i] = (m[i] - low) / (high - low)
	}
	return m
}
