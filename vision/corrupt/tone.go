package corrupt

import "math/rand/v2"

// gaussianNoise adds normal noise to each channel of each pixel, as a sensor does in little light.
func gaussianNoise(m raster, p [2]float64, seed uint64) ([]byte, error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]byte, len(m.pix))
	for i, v := range m.pix {
		out[i] = sample(float64(v) + 255*p[0]*rng.NormFloat64())
	}
	return out, nil
}

// brightness raises the value of HSV. Hue and saturation stay, so the channels keep their ratios; black has neither, and becomes grey.
func brightness(m raster, p [2]float64, _ uint64) ([]byte, error) {
	out := make([]byte, len(m.pix))
	for i := 0; i < len(m.pix); i += 3 {
		px := m.pix[i : i+3]
		value := float64(max(px[0], px[1], px[2]))
		raised := min(255, value+255*p[0])
		for c, v := range px {
			if value == 0 {
				out[i+c] = sample(raised)
				continue
			}
			out[i+c] = sample(float64(v) * raised / value)
		}
	}
	return out, nil
}

// contrast draws each channel to its mean over the image.
func contrast(m raster, p [2]float64, _ uint64) ([]byte, error) {
	var mean [3]float64
	for i, v := range m.pix {
		mean[i%3] += float64(v)
	}
	for c := range mean {
		mean[c] /= float64(m.w * m.h)
	}
	out := make([]byte, len(m.pix))
	for i, v := range m.pix {
		out[i] = sample((float64(v)-mean[i%3])*p[0] + mean[i%3])
	}
	return out, nil
}
