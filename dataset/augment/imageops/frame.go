package imageops

import (
	"fmt"
	"image"
	"sync"

	"github.com/torchlit/torchlit/vision"
)

// maxHalf bounds KernelBlur's size to 63 pixels.
const maxHalf = 31

var floats = sync.Pool{New: func() any { return new([]float32) }}

// Padding says what lies beyond a picture's edges.
type Padding uint8

// torchvision's padding modes.
const (
	Constant  Padding = iota // a colour
	Edge                     // the last pixel, again and again
	Reflect                  // the picture mirrored, without the last pixel: dcb|abcd|cba
	Symmetric                // the picture mirrored, with the last pixel: cba|abcd|dcb
)

var paddings = [...]string{"constant", "edge", "reflect", "symmetric"}

// String returns torchvision's name.
func (p Padding) String() string {
	if int(p) < len(paddings) {
		return paddings[p]
	}
	return fmt.Sprintf("Padding(%d)", uint8(p))
}

// ParsePadding reads torchvision's name.
func ParsePadding(name string) (Padding, error) {
	for p, n := range paddings {
		if n == name {
			return Padding(p), nil
		}
	}
	return 0, fmt.Errorf("cannot use padding mode %q: known are constant, edge, reflect and symmetric", name)
}

// mirror maps a place outside [0, n) to the one that Reflect shows there.
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

// inside maps a place beyond a side of n pixels to the one shown there.
func (p Padding) inside(i, n int) int {
	switch {
	case i >= 0 && i < n:
		return i
	case p == Edge:
		return min(max(i, 0), n-1)
	case p == Reflect:
		return mirror(i, n)
	}
	if i %= 2 * n; i < 0 {
		i += 2 * n
	}
	return min(i, 2*n-1-i)
}

// Window copies to dst what of src, padded without end, is seen through a window of dst's size whose upper left corner lies at
// (left, top) of src. It is torchvision's pad and crop in one. dst and src do not overlap.
func Window(dst, src *vision.Image, top, left int, p Padding, fill [3]byte) {
	from, to := min(max(-left, 0), dst.Width), max(min(src.Width-left, dst.Width), 0) // columns that src covers
	to = max(to, from)
	for y := range dst.Height {
		out := dst.Pix[y*dst.Width*3:][:dst.Width*3]
		sy := top + y
		if sy < 0 || sy >= src.Height {
			if p == Constant {
				paint(out, fill)
				continue
			}
			sy = p.inside(sy, src.Height)
		}
		row := src.Pix[sy*src.Width*3:][:src.Width*3]
		if to > from {
			copy(out[3*from:3*to], row[3*(left+from):])
		}
		if p == Constant {
			paint(out[:3*from], fill)
			paint(out[3*to:], fill)
			continue
		}
		for x := range from {
			s := 3 * p.inside(left+x, src.Width)
			out[3*x], out[3*x+1], out[3*x+2] = row[s], row[s+1], row[s+2]
		}
		for x := to; x < dst.Width; x++ {
			s := 3 * p.inside(left+x, src.Width)
			out[3*x], out[3*x+1], out[3*x+2] = row[s], row[s+1], row[s+2]
		}
	}
}

// paint fills pixels with one colour.
func paint(pix []byte, fill [3]byte) {
	if fill == [3]byte{} {
		clear(pix)
		return
	}
	for i := 0; i+2 < len(pix); i += 3 {
		p := pix[i : i+3 : i+3]
		p[0], p[1], p[2] = fill[0], fill[1], fill[2]
	}
}

// Erase paints the part of m within box with one colour.
func Erase(m *vision.Image, box image.Rectangle, fill [3]byte) {
	box = box.Intersect(image.Rect(0, 0, m.Width, m.Height))
	for y := box.Min.Y; y < box.Max.Y; y++ {
		paint(m.Pix[(y*m.Width+box.Min.X)*3:][:box.Dx()*3], fill)
	}
}

// FlipHorizontal mirrors m left to right.
func FlipHorizontal(m *vision.Image) {
	n := m.Width * 3
	for y := range m.Height {
		row := m.Pix[y*n:][:n]
		for i, j := 0, n-3; i < j; i, j = i+3, j-3 {
			p, q := row[i:i+3:i+3], row[j:j+3:j+3]
			p[0], p[1], p[2], q[0], q[1], q[2] = q[0], q[1], q[2], p[0], p[1], p[2]
		}
	}
}

// FlipVertical mirrors m top to bottom.
func FlipVertical(m *vision.Image) {
	n := m.Width * 3
	for y, z := 0, m.Height-1; y < z; y, z = y+1, z-1 {
		p, q := m.Pix[y*n:][:n], m.Pix[z*n:][:n]
		for i := range p {
			p[i], q[i] = q[i], p[i]
		}
	}
}
