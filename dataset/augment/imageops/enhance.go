package imageops

import "github.com/torchlit/torchlit/vision"

// ImageEnhance mixes a picture with a "degenerate" of it: black, grey, colourless or blurred. A factor of 0 gives that one, 1 the
// picture itself; above 1 the difference grows and values are cut at 0 and 255. Mixing is Image.blend, in single precision.

// differences holds factor * d for every d from -255 to 255.
type differences [511]float32

func newDifferences(factor float64) (t differences) {
	for d := range t {
		t[d] = float32(float32(factor) * float32(d-255))
	}
	return t
}

// blend is what becomes of value where its degenerate is base.
func (t *differences) blend(base, value int) byte {
	return clip(float32(base) + t[value-base+255])
}

// Brightness is ImageEnhance.Brightness, torchvision's adjust_brightness: the picture mixed with black.
func Brightness(m *vision.Image, factor float64) { blendWith(m, 0, factor) }

// Contrast is ImageEnhance.Contrast, torchvision's adjust_contrast: the picture mixed with the mean of its luma.
func Contrast(m *vision.Image, factor float64) {
	if len(m.Pix) == 0 {
		return
	}
	sum := 0
	pix := m.Pix
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		sum += luma(p[0], p[1], p[2])
	}
	blendWith(m, int(float64(sum)/float64(m.Width*m.Height)+0.5), factor)
}

// blendWith mixes m with one grey.
func blendWith(m *vision.Image, base int, factor float64) {
	d := newDifferences(factor)
	var t [256]byte
	for v := range t {
		t[v] = d.blend(base, v)
	}
	apply(m, &t)
}

// Color is ImageEnhance.Color, torchvision's adjust_saturation: the picture mixed with its luma.
func Color(m *vision.Image, factor float64) {
	d := newDifferences(factor)
	pix := m.Pix
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		l := luma(p[0], p[1], p[2])
		p[0], p[1], p[2] = d.blend(l, int(p[0])), d.blend(l, int(p[1])), d.blend(l, int(p[2]))
	}
}

// Sharpness is ImageEnhance.Sharpness: the picture mixed with ImageFilter.SMOOTH of it, a 3x3 mean whose middle counts five
// times. The outermost pixels stay as they are.
func Sharpness(m *vision.Image, factor float64) {
	d := newDifferences(factor)
	src := clone(m)
	defer src.Release()
	row := m.Width * 3
	for y := 1; y < m.Height-1; y++ {
		sharpenRow(m.Pix[y*row:][:row], src.Pix[(y-1)*row:][:3*row], &d)
	}
}

// sharpenRow makes one row out of the three about it. Each column of three is added up once, for the three pixels that see it.
func sharpenRow(dst, rows []byte, d *differences) {
	n := len(dst)
	above, here, below := rows[:n], rows[n:][:n], rows[2*n:][:n]
	column := func(i int) int { return int(above[i]) + int(here[i]) + int(below[i]) }
	for c := range 3 {
		if n < 9 {
			return
		}
		left, middle := column(c), column(c+3)
		for i := c + 3; i < n-3; i += 3 {
			right, v := column(i+3), int(here[i])
			sum := left + middle + right + 4*v
			dst[i] = d.blend((2*sum+13)/26, v) // to the nearest; thirteenths are never half way
			left, middle = middle, right
		}
	}
}

// Blend is Image.blend: m + factor * (other - m), in m. Both have one size.
func Blend(m, other *vision.Image, factor float64) {
	d := newDifferences(factor)
	for i, v := range other.Pix[:len(m.Pix)] {
		m.Pix[i] = d.blend(int(m.Pix[i]), int(v))
	}
}
