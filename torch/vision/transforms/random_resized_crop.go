package transforms

import (
	"math"
	"math/rand/v2"

	"github.com/torchlit/torchlit/vision"
)

// InterpolationFlags chooses how pixels are made when a picture is scaled. Names
// and numbers are gocv's.
type InterpolationFlags int

// The ways of scaling that are known here, those of OpenCV.
const (
	InterpolationNearestNeighbor InterpolationFlags = 0
	InterpolationLinear          InterpolationFlags = 1
)

// RandomResizedCropTransformer cuts out a part at random and scales it.
type RandomResizedCropTransformer struct {
	size           size
	scale0, scale1 float64
	ratio0, ratio1 float64
	interpolation  InterpolationFlags
}

// RandomResizedCrop is RandomResizedCropD with the settings ImageNet is trained
// with: 8 to 100 % of the picture, 3:4 to 4:3, InterpolationLinear. One number
// stands for a square.
func RandomResizedCrop(height int, width ...int) *RandomResizedCropTransformer {
	s := newSize(height, width)
	return RandomResizedCropD(s.height, s.width, 0.08, 1, 3.0/4.0, 4.0/3.0, InterpolationLinear)
}

// RandomResizedCropD cuts a part at random out of a picture and scales it to
// height × width pixels. The part's area is scale0 to scale1 of the picture's;
// its width is ratio0 to ratio1 times its height, drawn on a logarithmic scale.
// When no such part fits in ten attempts, it takes the middle: as much as
// possible with a ratio in range.
//
// These are torchvision's rules. gotorch meant the same, but drew from ranges
// that were shifted (with the usual settings ratios of 0.85 to 1.5 instead of
// 0.75 to 1.33), and it ignored interpolation.
func RandomResizedCropD(height, width int, scale0, scale1, ratio0, ratio1 float64, interpolation InterpolationFlags) *RandomResizedCropTransformer {
	return &RandomResizedCropTransformer{
		size:   size{width, height},
		scale0: scale0, scale1: scale1,
		ratio0: ratio0, ratio1: ratio1,
		interpolation: interpolation,
	}
}

// Run cuts and scales input. It panics when the ranges are not positive numbers
// in ascending order, or the interpolation is unknown.
func (t *RandomResizedCropTransformer) Run(input *vision.Image) *vision.Image {
	return t.RunWith(newRand(), input)
}

// RunWith is Run with lots drawn from r.
func (t *RandomResizedCropTransformer) RunWith(r *rand.Rand, input *vision.Image) *vision.Image {
	checkImage("RandomResizedCrop", input)
	t.check()
	x, y, s := t.choose(r, input.Width, input.Height)
	part := crop(input, x, y, s)
	var out *vision.Image
	if t.interpolation == InterpolationNearestNeighbor {
		out = resizeNearest(part, t.size)
	} else {
		out = resizeLinear(part, t.size)
	}
	if part != input && part != out {
		part.Release()
	}
	return out
}

func (t *RandomResizedCropTransformer) check() {
	const step = "RandomResizedCrop"
	t.size.check(step)
	ascending := func(a, b float64) bool { return 0 < a && a <= b && !math.IsInf(b, 1) }
	if !ascending(t.scale0, t.scale1) || !ascending(t.ratio0, t.ratio1) {
		refuse(step, "the scale goes from %v to %v and the ratio from %v to %v; both are positive and ascend",
			t.scale0, t.scale1, t.ratio0, t.ratio1)
	}
	if t.interpolation != InterpolationLinear && t.interpolation != InterpolationNearestNeighbor {
		refuse(step, "interpolation %d is not supported: use InterpolationLinear", t.interpolation)
	}
}

// choose draws the part of a picture to cut out.
func (t *RandomResizedCropTransformer) choose(r *rand.Rand, width, height int) (x, y int, s size) {
	uniform := func(from, to float64) float64 { return from + r.Float64()*(to-from) }
	for range 10 {
		area := float64(width) * float64(height) * uniform(t.scale0, t.scale1)
		ratio := math.Exp(uniform(math.Log(t.ratio0), math.Log(t.ratio1)))
		w, h := math.Round(math.Sqrt(area*ratio)), math.Round(math.Sqrt(area/ratio))
		if 1 <= w && w <= float64(width) && 1 <= h && h <= float64(height) {
			s = size{int(w), int(h)}
			y = r.IntN(height - s.height + 1)
			x = r.IntN(width - s.width + 1)
			return x, y, s
		}
	}
	s = size{width, height}
	if ratio := float64(width) / float64(height); ratio < t.ratio0 {
		s.height = max(1, int(math.Round(float64(width)/t.ratio0)))
	} else if ratio > t.ratio1 {
		s.width = max(1, int(math.Round(float64(height)*t.ratio1)))
	}
	return (width - s.width) / 2, (height - s.height) / 2, s
}

// resizeNearest takes the pixel at the place that OpenCV takes, which is that of
// the upper left corner, not of the centre.
func resizeNearest(m *vision.Image, s size) *vision.Image {
	if s.width == m.Width && s.height == m.Height {
		return m
	}
	nearest := func(i, from, to int) int {
		scale := 1 / (float64(to) / float64(from))
		return min(int(math.Floor(float64(i)*scale)), from-1)
	}
	out := vision.Acquire(s.width, s.height)
	for y := range s.height {
		from, to := rowOf(m, nearest(y, m.Height, s.height)), rowOf(out, y)
		for x := range s.width {
			copy(to[3*x:3*x+3], from[3*nearest(x, m.Width, s.width):])
		}
	}
	return out
}
