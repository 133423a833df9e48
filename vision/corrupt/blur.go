package corrupt

import "math"

// gaussianBlur is a blur with a normal kernel out to four standard deviations; what lies outside of the image is as its edge.
func gaussianBlur(m raster, p [2]float64, _ uint64) ([]byte, error) {
	const reach = 4 // standard deviations
	kernel := normal(int(reach*p[0]+0.5), p[0])
	rows := convolve(m.pix, m.w, m.h, kernel)
	out := make([]byte, len(m.pix))
	for y := range m.h {
		for i := range 3 * m.w {
			var sum float64
			for k, weight := range kernel {
				sum += weight * rows[clamp(y+k-len(kernel)/2, m.h)*3*m.w+i]
			}
			out[y*3*m.w+i] = sample(sum)
		}
	}
	return out, nil
}

// convolve blurs along the rows.
func convolve(pix []byte, w, h int, kernel []float64) []float64 {
	out := make([]float64, len(pix))
	for y := range h {
		row := pix[y*3*w:][:3*w]
		for x := range w {
			for c := range 3 {
				var sum float64
				for k, weight := range kernel {
					sum += weight * float64(row[3*clamp(x+k-len(kernel)/2, w)+c])
				}
				out[(y*w+x)*3+c] = sum
			}
		}
	}
	return out
}

// normal returns 2·radius+1 weights of a normal distribution, which sum to one.
func normal(radius int, sigma float64) []float64 {
	kernel := make([]float64, 2*radius+1)
	var sum float64
	for i := range kernel {
		d := float64(i-radius) / sigma
		kernel[i] = math.Exp(-d * d / 2)
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	return kernel
}

// tap is one weight of a kernel in two dimensions.
type tap struct {
	dx, dy int
	weight float64
}

// defocusBlur spreads each pixel over a disk, as a lens does that is out of focus. The image is mirrored at its edges.
func defocusBlur(m raster, p [2]float64, _ uint64) ([]byte, error) {
	taps := disk(p[0], p[1])
	out := make([]byte, len(m.pix))
	columns := make([]int, m.w)
	sums := make([]float64, 3*m.w)
	for y := range m.h {
		clear(sums)
		for _, t := range taps {
			row := m.pix[3*m.w*mirror(y+t.dy, m.h):][:3*m.w]
			for x := range columns {
				columns[x] = 3 * mirror(x+t.dx, m.w)
			}
			for x, from := range columns {
				sums[3*x] += t.weight * float64(row[from])
				sums[3*x+1] += t.weight * float64(row[from+1])
				sums[3*x+2] += t.weight * float64(row[from+2])
			}
		}
		for i, sum := range sums {
			out[3*m.w*y+i] = sample(sum)
		}
	}
	return out, nil
}

// disk returns the weights of a disk that sum to one, its edge softened by a small normal blur.
func disk(radius, softness float64) []tap {
	soft := 1
	if radius > 8 {
		soft = 2
	}
	edge := normal(soft, softness)
	n := int(radius)
	weights := map[[2]int]float64{}
	var area float64
	for y := -n; y <= n; y++ {
		for x := -n; x <= n; x++ {
			if float64(x*x+y*y) > radius*radius {
				continue
			}
			area++
			for j, wy := range edge {
				for k, wx := range edge {
					weights[[2]int{y + j - soft, x + k - soft}] += wy * wx
				}
			}
		}
	}
	var taps []tap
	for y := -n - soft; y <= n+soft; y++ {
		for x := -n - soft; x <= n+soft; x++ {
			if weight := weights[[2]int{y, x}]; weight > 0 {
				taps = append(taps, tap{x, y, weight / area})
			}
		}
	}
	return taps
}

func clamp(i, n int) int { return max(0, min(i, n-1)) }

// mirror brings an index into 0…n-1 by reflection at the middles of the first and last pixel.
func mirror(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	if i %= period; i < 0 {
		i += period
	}
	return min(i, period-i)
}
