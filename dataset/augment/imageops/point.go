package imageops

import "github.com/torchlit/torchlit/vision"

// Operations that look at one value at a time are a table of 256 results, for all channels or for each.

func apply(m *vision.Image, t *[256]byte) {
	for i, v := range m.Pix {
		m.Pix[i] = t[v]
	}
}

func applyEach(m *vision.Image, t *[3][256]byte) {
	pix := m.Pix
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		p[0], p[1], p[2] = t[0][p[0]], t[1][p[1]], t[2][p[2]]
	}
}

func identity() (t [256]byte) {
	for v := range t {
		t[v] = byte(v)
	}
	return t
}

type histogram [3][256]int

func countEach(m *vision.Image) (h histogram) {
	pix := m.Pix
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		h[0][p[0]]++
		h[1][p[1]]++
		h[2][p[2]]++
	}
	return h
}

// Invert is ImageOps.invert: v becomes 255-v.
func Invert(m *vision.Image) {
	for i, v := range m.Pix {
		m.Pix[i] = 255 - v
	}
}

// Posterize is ImageOps.posterize: it keeps the upper bits of every value. With 8 or more nothing changes; with none, which
// Pillow refuses, the picture becomes black.
func Posterize(m *vision.Image, bits int) {
	mask := byte(int(0xFF00) >> min(max(bits, 0), 8))
	for i, v := range m.Pix {
		m.Pix[i] = v & mask
	}
}

// Solarize is ImageOps.solarize: values of at least threshold are inverted.
func Solarize(m *vision.Image, threshold float64) {
	t := identity()
	for v := range t {
		if float64(v) >= threshold {
			t[v] = byte(255 - v)
		}
	}
	apply(m, &t)
}

// SolarizeAdd is timm's solarize_add: values under threshold grow by add, to 255 at most.
func SolarizeAdd(m *vision.Image, add, threshold int) {
	t := identity()
	for v := range t {
		if v < threshold {
			t[v] = byte(min(max(v+add, 0), 255))
		}
	}
	apply(m, &t)
}

// AutoContrast is ImageOps.autocontrast: each channel is stretched so that its darkest value becomes 0 and its lightest 255.
func AutoContrast(m *vision.Image) {
	h := countEach(m)
	var t [3][256]byte
	for c := range t {
		lo, hi := 0, 255
		for lo < 255 && h[c][lo] == 0 {
			lo++
		}
		for hi > 0 && h[c][hi] == 0 {
			hi--
		}
		if t[c] = identity(); hi <= lo {
			continue
		}
		scale := 255 / float64(hi-lo)
		offset := float64(-float64(lo) * scale)
		for v := range t[c] {
			t[c][v] = byte(min(max(int(float64(float64(v)*scale)+offset), 0), 255))
		}
	}
	applyEach(m, &t)
}

// Equalize is ImageOps.equalize: each channel's values are moved so that all occur about equally often.
func Equalize(m *vision.Image) {
	h := countEach(m)
	var t [3][256]byte
	for c := range t {
		t[c] = equalized(&h[c])
	}
	applyEach(m, &t)
}

func equalized(h *[256]int) [256]byte {
	sum, last, kinds := 0, 0, 0
	for _, n := range h {
		if n > 0 {
			sum, last, kinds = sum+n, n, kinds+1
		}
	}
	step := (sum - last) / 255
	if kinds <= 1 || step == 0 {
		return identity()
	}
	var t [256]byte
	n := step / 2
	for v := range t {
		t[v] = byte(min(n/step, 255))
		n += h[v]
	}
	return t
}

// Grayscale is torchvision's rgb_to_grayscale with three channels out: each becomes Pillow's luma.
func Grayscale(m *vision.Image) {
	pix := m.Pix
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		l := byte(luma(p[0], p[1], p[2]))
		p[0], p[1], p[2] = l, l, l
	}
}
