package vision

import (
	"math"
	"sync"
)

// PillowResizer scales as Pillow's Image.resize does, to the bit. It is the resizer of builds without libtorch and the measure
// for faster ones: libtorch's operator, several times faster, stays within 2/255 of it, nfnt/resize within less certain bounds.
//
// Equality comes from copying the three things that decide the last bit: weights are computed in float64 and rounded to 22
// fractional bits, there is a pass for each axis, in Pillow's order, and the first one's result is rounded to bytes.
func PillowResizer(src *Image, width, height int, ip Interpolation) (*Image, error) {
	if err := checkResize(src, width, height, ip); err != nil {
		return nil, err
	}
	first, second := resizeRows, resizeColumns
	if verticalFirst(src, width, height) {
		first, second = second, first
	}
	between := first(src, width, height, ip)
	if between != src {
		between.inherit(src)
	}
	m := second(between, width, height, ip)
	if between != src && between != m {
		between.Release()
	}
	return m, nil
}

// inherit takes over what the side that is not yet scaled stands for.
func (m *Image) inherit(src *Image) {
	if m.Width == src.Width {
		m.cutRight = src.cutRight
	}
	if m.Height == src.Height {
		m.cutBelow = src.cutBelow
	}
}

// verticalFirst is the order of the passes in Pillow 13. Until Pillow 12, and in libtorch, the horizontal pass always comes
// first; where they differ, which takes a picture that loses far more of its height than of its width, it is by 1/255.
func verticalFirst(src *Image, width, height int) bool {
	return height < src.Height && src.Height-height > 2*(src.Width-width)
}

const (
	weightBits = 22
	weightHalf = 1 << (weightBits - 1)
)

// kernel holds, for each pixel of the result, the first source pixel that it sees and the weights of it and its followers.
// Training resizes each picture from another size, so kernels are not kept; their memory is.
type kernel struct {
	first   []int
	count   []int
	weights []int32 // rows of taps, of which count are in use
	taps    int
	row     []float64 // weights before they are rounded
	sums    []int32   // of a row, for resizeColumns
}

var kernels = sync.Pool{New: func() any { return new(kernel) }}

func (k *kernel) release() { kernels.Put(k) }

// sized returns s with n elements, which hold anything.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func (k *kernel) at(i int) (first int, weights []int32) {
	return k.first[i], k.weights[i*k.taps:][:k.count[i]]
}

// newKernel is released by the caller. Of from pixels extent are scaled: see Image.Extent.
func newKernel(from int, extent float64, to int, ip Interpolation) *kernel {
	scale := extent / float64(to)
	stretch := max(scale, 1) // antialiasing: the kernel covers all source pixels that one result pixel stands for
	filter, support := triangle, stretch
	if ip == Bicubic {
		filter, support = cubic, 2*stretch
	}
	taps := int(math.Ceil(support))*2 + 1
	k := kernels.Get().(*kernel)
	k.first, k.count, k.weights, k.taps = sized(k.first, to), sized(k.count, to), sized(k.weights, to*taps), taps
	k.row = sized(k.row, taps)
	row := k.row
	for i := range to {
		centre := float64((float64(i) + 0.5) * scale)
		first := max(int(centre-support+0.5), 0)
		n := min(int(centre+support+0.5), from) - first
		sum := 0.0
		for j := range n {
			row[j] = filter((float64(j+first) - centre + 0.5) * (1 / stretch))
			sum += row[j]
		}
		k.first[i], k.count[i] = first, n
		for j := range n {
			if sum != 0 {
				row[j] /= sum
			}
			k.weights[i*taps+j] = int32(math.Round(row[j] * (1 << weightBits)))
		}
	}
	return k
}

func triangle(x float64) float64 { return max(1-math.Abs(x), 0) }

// cubic is Keys' kernel. The conversions keep compilers from fusing a product with a sum, which would round differently.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64(float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return float64((float64((float64((x-5)*x)+8)*x) - 4) * a)
	}
	return 0
}

// resizeRows makes every row width pixels wide, and returns src itself if that is so already.
func resizeRows(src *Image, width, _ int, ip Interpolation) *Image {
	if width == src.Width {
		return src
	}
	extent, _ := src.Extent()
	k := newKernel(src.Width, extent, width, ip)
	defer k.release()
	out := Acquire(width, src.Height)
	for y := range src.Height {
		dst, row := out.row(y), src.row(y)
		for x := range out.Width {
			first, weights := k.at(x)
			from := row[first*3:][:len(weights)*3]
			r, g, b := int32(weightHalf), int32(weightHalf), int32(weightHalf)
			for i, w := range weights {
				p := from[i*3 : i*3+3]
				r += int32(p[0]) * w
				g += int32(p[1]) * w
				b += int32(p[2]) * w
			}
			dst[x*3], dst[x*3+1], dst[x*3+2] = clip22(r), clip22(g), clip22(b)
		}
	}
	return out
}

// resizeColumns makes every column height pixels high, and returns src itself if that is so already.
func resizeColumns(src *Image, _, height int, ip Interpolation) *Image {
	if height == src.Height {
		return src
	}
	_, extent := src.Extent()
	k := newKernel(src.Height, extent, height, ip)
	defer k.release()
	out := Acquire(src.Width, height)
	k.sums = sized(k.sums, src.Width*3)
	sums := k.sums
	for y := range out.Height {
		for i := range sums {
			sums[i] = weightHalf
		}
		first, weights := k.at(y)
		for i, w := range weights {
			row := src.row(first + i)[:len(sums)]
			for j := range sums {
				sums[j] += int32(row[j]) * w
			}
		}
		dst := out.row(y)
		for i, s := range sums {
			dst[i] = clip22(s)
		}
	}
	return out
}

func clip22(v int32) byte { return byte(min(max(v>>weightBits, 0), 255)) }
