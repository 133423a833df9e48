package imageops

import (
	"math"

	"github.com/torchlit/torchlit/vision"
)

// Hue is torchvision's adjust_hue on a Pillow picture: the hue turns by shift, from -0.5 to 0.5 of the circle, in steps of 1/255.
// Hue, saturation and value are bytes in between, as in Pillow's mode "HSV", so that even a shift of 0 loses a little.
func Hue(m *vision.Image, shift float64) {
	turn := byte(int32(shift * 255))
	pix := m.Pix
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		h, s, v := toHSV(p[0], p[1], p[2])
		p[0], p[1], p[2] = toRGB(h+turn, s, v)
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
	rc, gc, bc := float32(v-r)/span, float32(v-g)/span, float32(v-b)/span
	var hue float32
	switch v {
	case r:
		hue = bc - gc
	case g:
		hue = float32(2 + float64(rc) - float64(bc))
	default:
		hue = float32(4 + float64(gc) - float64(rc))
	}
	turn := float64(hue)/6 + 1
	hue = float32(turn - math.Floor(turn))
	return byte(int32(float64(hue) * 255)), byte(int32(float64(span/float32(v)) * 255)), v
}

func toRGB(h, s, v byte) (r, g, b byte) {
	if s == 0 {
		return v, v, v
	}
	sixth := float64(h) * 6 / 255
	i := math.Floor(sixth)
	f := float64(float32(sixth - i))
	fs := float64(float32(float64(s) / 255))
	value := float64(v)
	round := func(x float64) byte { return byte(min(max(int32(x+0.5), 0), 255)) }
	p := round(float64(value * (1 - fs)))
	q := round(float64(value * (1 - float64(fs*f))))
	t := round(float64(value * (1 - float64(fs*(1-f)))))
	switch int(i) % 6 {
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
