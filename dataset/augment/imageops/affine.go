package imageops

import (
	"fmt"
	"math"

	"github.com/torchlit/torchlit/vision"
)

// Filter is how Image.transform makes a pixel of those around a place between them. Unlike the kernels of a resize, it is not
// widened when a picture shrinks.
type Filter uint8

// The filters of Image.transform.
const (
	Nearest Filter = iota
	Bilinear
	Bicubic // a = -1, where a resize has -0.5
)

// String returns Pillow's name, in small letters.
func (f Filter) String() string {
	switch f {
	case Nearest:
		return "nearest"
	case Bilinear:
		return "bilinear"
	case Bicubic:
		return "bicubic"
	}
	return fmt.Sprintf("Filter(%d)", uint8(f))
}

// A Matrix says where the pixel (x, y) of the result comes from: (m[0]*x + m[1]*y + m[2], m[3]*x + m[4]*y + m[5]). Places are
// those of pixels' middles, half a pixel from their corners.
type Matrix [6]float64

// Turned is the matrix of Image.rotate for a picture of width x height pixels: counterclockwise, about its middle.
func Turned(degrees float64, width, height int) Matrix {
	degrees -= 360 * math.Floor(degrees/360)
	radians := -(degrees * math.Pi / 180)
	cos, sin := round15(math.Cos(radians)), round15(math.Sin(radians))
	cx, cy := float64(width)/2, float64(height)/2
	a := Matrix{cos, sin, 0, -sin, cos, 0}
	a[2] = float64(-a[0]*cx) + float64(-a[1]*cy) + cx
	a[5] = float64(-a[3]*cx) + float64(-a[4]*cy) + cy
	return a
}

// round15 is Python's round(x, 15) for |x| <= 1: FMA gives the part of x*1e15 that the product loses.
func round15(x float64) float64 {
	const scale = 1e15
	p := x * scale
	lost := math.FMA(x, scale, -p)
	n := math.Floor(p)
	if (p-n)+lost >= 0.5 {
		n++
	}
	return n / scale
}

// Affine is Image.transform with Image.AFFINE. Places outside the picture become fill.
func Affine(m *vision.Image, a Matrix, f Filter, fill [3]byte) {
	if len(m.Pix) == 0 {
		return
	}
	src := clone(m)
	defer src.Release()
	switch f {
	case Nearest:
		affineNearest(m, src, &a, fill)
	case Bilinear:
		affineBilinear(m, src, &a, fill)
	case Bicubic:
		affineBicubic(m, src, &a, fill)
	default:
		panic(fmt.Sprintf("BUG: imageops.Affine with %v", f))
	}
}

// Rotate is Image.rotate without expand: counterclockwise about the middle.
func Rotate(m *vision.Image, degrees float64, f Filter, fill [3]byte) {
	a := Turned(degrees, m.Width, m.Height)
	if a == (Matrix{1, 0, 0, 0, 1, 0}) {
		return
	}
	Affine(m, a, f, fill)
}

// at is where the middle of pixel (x, y) comes from.
func (a *Matrix) at(x, y int) (float64, float64) {
	fx, fy := float64(x)+0.5, float64(y)+0.5
	return float64(a[0]*fx) + float64(a[1]*fy) + a[2], float64(a[3]*fx) + float64(a[4]*fy) + a[5]
}

// affineNearest has Pillow's two ways of stepping: sums of float64 where the axes stay apart, and sums of 1/65536 otherwise.
func affineNearest(dst, src *vision.Image, a *Matrix, fill [3]byte) {
	if a[1] == 0 && a[3] == 0 {
		scaleNearest(dst, src, a, fill)
		return
	}
	fix := func(v float64) int { return int(math.Floor(v*65536 + 0.5)) }
	stepX, stepY := fix(a[0]), fix(a[3])
	rowX, rowY := fix(a[1]), fix(a[4])
	startX, startY := fix(a[2]+float64(a[0]*0.5)+float64(a[1]*0.5)), fix(a[5]+float64(a[3]*0.5)+float64(a[4]*0.5))
	out := dst.Pix
	for range dst.Height {
		x, y := startX, startY
		for range dst.Width {
			p := fill[:]
			if sx, sy := x>>16, y>>16; uint(sx) < uint(src.Width) && uint(sy) < uint(src.Height) {
				p = src.Pix[(sy*src.Width+sx)*3:][:3]
			}
			out[0], out[1], out[2] = p[0], p[1], p[2]
			out = out[3:]
			x, y = x+stepX, y+stepY
		}
		startX, startY = startX+rowX, startY+rowY
	}
}

func scaleNearest(dst, src *vision.Image, a *Matrix, fill [3]byte) {
	out := dst.Pix
	fy := a[5] + float64(a[4]*0.5)
	for range dst.Height {
		fx := a[2] + float64(a[0]*0.5)
		for range dst.Width {
			p := fill[:]
			if fx >= 0 && fy >= 0 && fx < float64(src.Width) && fy < float64(src.Height) {
				p = src.Pix[(int(fy)*src.Width+int(fx))*3:][:3]
			}
			out[0], out[1], out[2] = p[0], p[1], p[2]
			out = out[3:]
			fx += a[0]
		}
		fy += a[4]
	}
}

func affineBilinear(dst, src *vision.Image, a *Matrix, fill [3]byte) {
	width, height := float64(src.Width), float64(src.Height)
	lerp := func(from, to, d float64) float64 { return from + float64((to-from)*d) }
	out := dst.Pix
	for y := range dst.Height {
		for x := range dst.Width {
			fx, fy := a.at(x, y)
			if !(fx >= 0 && fx < width && fy >= 0 && fy < height) {
				out[0], out[1], out[2] = fill[0], fill[1], fill[2]
				out = out[3:]
				continue
			}
			fx, fy = fx-0.5, fy-0.5
			ix, iy := int(fx+1)-1, int(fy+1)-1 // rounds down from -0.5
			dx, dy := fx-float64(ix), fy-float64(iy)
			left, right := max(ix, 0)*3, min(ix+1, src.Width-1)*3
			top := src.Pix[max(iy, 0)*src.Width*3:][:src.Width*3]
			bottom := src.Pix[min(iy+1, src.Height-1)*src.Width*3:][:src.Width*3]
			p, q, r, s := top[left:left+3], top[right:right+3], bottom[left:left+3], bottom[right:right+3]
			for c := range 3 {
				upper := lerp(float64(p[c]), float64(q[c]), dx)
				lower := lerp(float64(r[c]), float64(s[c]), dx)
				out[c] = byte(int32(lerp(upper, lower, dy)))
			}
			out = out[3:]
		}
	}
}

func affineBicubic(dst, src *vision.Image, a *Matrix, fill [3]byte) {
	width, height := float64(src.Width), float64(src.Height)
	out := dst.Pix
	for y := range dst.Height {
		for x := range dst.Width {
			fx, fy := a.at(x, y)
			if !(fx >= 0 && fx < width && fy >= 0 && fy < height) {
				out[0], out[1], out[2] = fill[0], fill[1], fill[2]
				out = out[3:]
				continue
			}
			fx, fy = fx-0.5, fy-0.5
			ix, iy := int(fx+1)-1, int(fy+1)-1
			dx, dy := fx-float64(ix), fy-float64(iy)
			var columns [4]int
			for i := range columns {
				columns[i] = min(max(ix-1+i, 0), src.Width-1) * 3
			}
			var sums [4][3]float64
			for j := range sums {
				row := src.Pix[min(max(iy-1+j, 0), src.Height-1)*src.Width*3:][:src.Width*3]
				p, q, r, s := row[columns[0]:], row[columns[1]:], row[columns[2]:], row[columns[3]:]
				for c := range 3 {
					sums[j][c] = cubic(float64(p[c]), float64(q[c]), float64(r[c]), float64(s[c]), dx)
				}
			}
			for c := range 3 {
				v := cubic(sums[0][c], sums[1][c], sums[2][c], sums[3][c], dy)
				out[c] = byte(int32(min(max(v, 0), 255)))
			}
			out = out[3:]
		}
	}
}

// cubic is the value d of the way from b to c.
func cubic(a, b, c, d4, d float64) float64 {
	p2 := -a + c
	p3 := float64(2*(a-b)) + c - d4
	p4 := -a + b - c + d4
	return b + float64(d*(p2+float64(d*(p3+float64(d*p4)))))
}
