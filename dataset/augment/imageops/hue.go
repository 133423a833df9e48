package imageops

import (
	"math"

	"github.com/torchlit/torchlit/vision"
)

// Hue is torchvision's adjust_hue on a Pillow picture: the hue turns by shift, from -0.5 to 0.5 of the circle, in steps of 1/255.
// Hue, saturation and value are bytes in between, as in Pillow's mode "HSV", so that even a shift of 0 loses a little.
func Hue(m *vision.Image, shift float64) {
	turn := byte(int32(shift * 255))
	var c circle
	c.fill()
	pix := m.Pix
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		h, s, v := toHSV(p[0], p[1], p[2])
		p[0], p[1], p[2] = c.toRGB(h+turn, s, v)
	}
}

// toHSV is Pillow's conversion; the mix of single and double precision is C's.
func toHSV(r, g, b byte) (h, s, v byte) {
	v = max(r, g, b)
	least := min(r, g, b)
	if least == v {
		return 0, 0, v
	}
	span := float32(v - least)
	var hue float32
	switch v {
	case r:
		hue = float32(v-b)/span - float32(v-g)/span
	case g:
		hue = float32(2 + float64(float32(v-r)/span) - float64(float32(v-b)/span))
	default:
		hue = float32(4 + float64(float32(v-g)/span) - float64(float32(v-r)/span))
	}
	turn := float64(hue)/6 + 1
	hue = float32(turn - math.Floor(turn))
	return byte(int32(float64(hue) * 255)), byte(int32(float64(span/float32(v)) * 255)), v
}

// circle holds, for every byte that a hue is, the sixth of the circle that it lies in and how far, and for every byte that a
// saturation is, its share of 255.
type circle struct {
	sixth [256]uint8
	far   [256]float64
	share [256]float64
}

func (c *circle) fill() {
	for v := range c.far {
		at := float64(v) * 6 / 255
		sixth := math.Floor(at)
		c.sixth[v] = uint8(int(sixth) % 6)
		c.far[v] = float64(float32(at - sixth))
		c.share[v] = float64(float32(float64(v) / 255))
	}
}

func (c *circle) toRGB(h, s, v byte) (r, g, b byte) {
	if s == 0 {
		return v, v, v
	}
	far, share, value := c.far[h], c.share[s], float64(v)
	round := func(x float64) byte { return byte(int32(x + 0.5)) } // 0 to v
	p := round(float64(value * (1 - share)))
	q := round(float64(value * (1 - float64(share*far))))
	t := round(float64(value * (1 - float64(share*(1-far)))))
	switch c.sixth[h] {
	case 0:
		return v, t, p
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	}
	return v, p, q
}
