package corrupt

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
)

// jpegCompression writes the image as JPEG and reads it again. Both are Go's own coders, so that the pixels do not depend on
// whether libjpeg-turbo is found.
func jpegCompression(m raster, p [2]float64, _ uint64) ([]byte, error) {
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m.rgba(), &jpeg.Options{Quality: int(p[0])}); err != nil {
		return nil, fmt.Errorf("cannot write an image of %d×%d pixels as JPEG: %w", m.w, m.h, err)
	}
	decoded, err := jpeg.Decode(&file)
	if err != nil {
		return nil, fmt.Errorf("cannot read an image of %d×%d pixels as JPEG: %w", m.w, m.h, err)
	}
	return coloured(decoded.(*image.YCbCr)), nil
}

// coloured makes RGB of an image with one colour for four pixels, interpolated as libjpeg does: a pixel's colour is three parts of
// the nearest and one of the next, in both directions.
func coloured(src *image.YCbCr) []byte {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	columns, rows := (w+1)/2, (h+1)/2
	out := make([]byte, 0, 3*w*h)
	for y := range h {
		near, next := src.CStride*(y/2), src.CStride*beside(y, rows)
		for x := range w {
			at, by := x/2, beside(x, columns)
			chroma := func(c []byte) uint8 {
				sum := 9*int(c[near+at]) + 3*int(c[near+by]) + 3*int(c[next+at]) + int(c[next+by])
				return uint8((sum + 8 - x%2) / 16)
			}
			r, g, b := color.YCbCrToRGB(src.Y[y*src.YStride+x], chroma(src.Cb), chroma(src.Cr))
			out = append(out, r, g, b)
		}
	}
	return out
}

// beside is the second nearest of n places of two pixels each for pixel i.
func beside(i, n int) int {
	if i%2 == 0 {
		return max(0, i/2-1)
	}
	return min(n-1, i/2+1)
}

// pixelate shrinks the image, each pixel the mean of those that it covers, and enlarges it again by repeating pixels.
func pixelate(m raster, p [2]float64, _ uint64) ([]byte, error) {
	w, h := max(1, int(float64(m.w)*p[0])), max(1, int(float64(m.h)*p[0]))
	small := boxed(boxed(m, w), h) // each time the sides change places
	columns := nearest(w, m.w)
	out := make([]byte, 0, len(m.pix))
	for _, y := range nearest(h, m.h) {
		row := small.pix[y*w*3:]
		for _, x := range columns {
			out = append(out, row[3*x:][:3]...)
		}
	}
	return out, nil
}

// nearest tells which of n pixels lies where each of many does. Adding up steps decides ties as Pillow does.
func nearest(n, many int) []int {
	out := make([]int, many)
	step := float64(n) / float64(many)
	at := step * 0.5
	for i := range out {
		out[i] = min(int(at), n-1)
		at += step
	}
	return out
}

// boxed shrinks the rows of m to n pixels and returns the result with rows and columns exchanged. A pixel is the mean of those whose middles
// it covers, as Pillow's BOX filter has it.
func boxed(m raster, n int) raster {
	out := raster{m.h, n, make([]byte, m.h*n*3)}
	scale := float64(m.w) / float64(n)
	for x := range n {
		from, to := int(float64(x)*scale+0.5), min(m.w, int(float64(x+1)*scale+0.5))
		for y := range m.h {
			for c := range 3 {
				sum := 0
				for i := from; i < to; i++ {
					sum += int(m.pix[(y*m.w+i)*3+c])
				}
				out.pix[(x*m.h+y)*3+c] = byte((2*sum + to - from) / (2 * (to - from)))
			}
		}
	}
	return out
}
