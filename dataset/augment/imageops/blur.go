package imageops

import (
	"fmt"
	"math"

	"github.com/torchlit/torchlit/vision"
)

// GaussianBlur is ImageFilter.GaussianBlur: radius is the standard deviation in pixels, the same both ways. A Gaussian bell is
// approached by three passes of a box with soft ends (Gwosdek et al., "Theoretical foundations of Gaussian convolution by
// extended box filtering"), each rounded to bytes.
func GaussianBlur(m *vision.Image, radius float64) {
	const passes = 3
	if len(m.Pix) == 0 || radius == 0 {
		return
	}
	box := boxRadius(float32(radius), passes)
	a, b := m, vision.Acquire(m.Width, m.Height)
	spare := b
	for range passes {
		boxBlur(b.Pix, a.Pix, m.Width, m.Height, 3, m.Width*3, box)
		a, b = b, a
	}
	for range passes {
		boxBlur(b.Pix, a.Pix, m.Height, m.Width, m.Width*3, 3, box)
		a, b = b, a
	}
	// After an even number of passes the result lies in m.
	spare.Release()
}

// boxRadius is half the length, less the middle, of a box whose passes have the deviation sigma together. Single and double
// precision change as in C.
func boxRadius(sigma float32, passes int) float32 {
	s := float64(float32(sigma*sigma) / float32(passes))
	length := float64(float32(math.Sqrt(float64(12*s) + 1)))
	l := float64(float32(math.Floor((length - 1) / 2)))
	s32, l32 := float32(s), float32(l)
	a := float32((2*l32 + 1) * (float32(l32*(l32+1)) - float32(3*s32)))
	a /= float32(6 * (s32 - float32((l32+1)*(l32+1))))
	return l32 + a
}

// boxBlur averages along lines of n pixels, step bytes apart, of which there are lines, line bytes apart. Beyond an end the last
// pixel repeats. Weights are in 1/2^24, so that the result is exact.
func boxBlur(dst, src []byte, n, lines, step, line int, box float32) {
	radius := int(box)
	inner := uint32(float32(1<<24) / (box*2 + 1))
	outer := (1<<24 - uint32(radius*2+1)*inner) / 2
	for l := range lines {
		for c := range 3 {
			from, to := src[l*line+c:], dst[l*line+c:]
			at := func(i int) uint32 { return uint32(from[min(max(i, 0), n-1)*step]) }
			sum := uint32(0) // of the pixels fully within the box about pixel i
			for i := -radius - 1; i < radius; i++ {
				sum += at(i)
			}
			for i := range n {
				sum += at(i+radius) - at(i-radius-1)
				v := sum*inner + (at(i-radius-1)+at(i+radius+1))*outer
				to[i*step] = byte((v + 1<<23) >> 24)
			}
		}
	}
}

// KernelBlur is torchvision's gaussian_blur: a Gaussian of the given deviation cut to size pixels, an odd number, with the
// picture mirrored at its edges. Both sides of the picture must exceed size/2. torchvision sums the square kernel at once where
// this goes by rows and then by columns, so that a value near a half may be 1 off.
func KernelBlur(m *vision.Image, size int, sigma float64) {
	half := size / 2
	if size%2 == 0 || size < 1 || half > maxHalf || half >= min(m.Width, m.Height) {
		panic(fmt.Sprintf("BUG: imageops.KernelBlur: size %d for %d x %d pixels", size, m.Width, m.Height))
	}
	var store [2*maxHalf + 1]float32
	kernel := store[:size]
	sum := float32(0)
	for i := range kernel {
		d := (float64(i) - float64(half)) / sigma
		kernel[i] = float32(math.Exp(-0.5 * d * d))
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	// Columns first, a row at a time: its sums, with the margins mirrored, are what the pass along the row needs.
	src := clone(m)
	defer src.Release()
	line := floats.Get().(*[]float32)
	defer floats.Put(line)
	row := m.Width * 3
	if cap(*line) < row+6*half {
		*line = make([]float32, row+6*half)
	}
	sums := (*line)[:row+6*half]
	inside := sums[3*half:][:row]
	for y := range m.Height {
		clear(inside)
		for k, w := range kernel {
			from := src.Pix[mirror(y+k-half, m.Height)*row:][:row]
			for i, v := range from {
				inside[i] += float32(float32(v) * w)
			}
		}
		for x := 1; x <= half; x++ {
			copy(sums[3*(half-x):][:3], inside[3*mirror(-x, m.Width):])
			copy(sums[3*(half+m.Width-1+x):][:3], inside[3*mirror(m.Width-1+x, m.Width):])
		}
		dst := m.Pix[y*row:][:row]
		for i := range dst {
			v := float32(0)
			for k, w := range kernel {
				v += float32(sums[i+3*k] * w)
			}
			dst[i] = byte(int32(math.RoundToEven(float64(min(max(v, 0), 255)))))
		}
	}
}
