package transforms

import (
	"math/rand/v2"

	"github.com/torchlit/torchlit/vision"
)

// CenterCropTransformer cuts out the middle.
type CenterCropTransformer struct{ size size }

// CenterCrop cuts the middle out of a picture: height × width pixels, or a
// square of that height. When the margins cannot be equal, the left and the
// upper one are a pixel smaller.
func CenterCrop(height int, width ...int) *CenterCropTransformer {
	return &CenterCropTransformer{newSize(height, width)}
}

// Run cuts input. It panics when input is smaller than what is to be cut out.
func (t *CenterCropTransformer) Run(input *vision.Image) *vision.Image {
	checkCrop("CenterCrop", input, t.size)
	return crop(input, (input.Width-t.size.width)/2, (input.Height-t.size.height)/2, t.size)
}

// RandomCropTransformer cuts out a part at random.
type RandomCropTransformer struct{ size size }

// RandomCrop cuts height × width pixels, or a square of that height, out of a
// picture, wherever they fit, all places being equally likely.
func RandomCrop(height int, width ...int) *RandomCropTransformer {
	return &RandomCropTransformer{newSize(height, width)}
}

// Run cuts input. It panics when input is smaller than what is to be cut out.
func (t *RandomCropTransformer) Run(input *vision.Image) *vision.Image {
	return t.RunWith(newRand(), input)
}

// RunWith is Run with lots drawn from r.
func (t *RandomCropTransformer) RunWith(r *rand.Rand, input *vision.Image) *vision.Image {
	checkCrop("RandomCrop", input, t.size)
	x := r.IntN(input.Width - t.size.width + 1)
	y := r.IntN(input.Height - t.size.height + 1)
	return crop(input, x, y, t.size)
}

func checkCrop(step string, m *vision.Image, s size) {
	checkImage(step, m)
	s.check(step)
	if s.width > m.Width || s.height > m.Height {
		refuse(step, "cannot cut %d x %d pixels out of %d x %d: Resize first, or cut less",
			s.width, s.height, m.Width, m.Height)
	}
}

// crop copies the part of m whose upper left corner is (x, y).
func crop(m *vision.Image, x, y int, s size) *vision.Image {
	if s.width == m.Width && s.height == m.Height {
		return m
	}
	out := vision.Acquire(s.width, s.height)
	for row := range s.height {
		copy(rowOf(out, row), rowOf(m, y+row)[x*3:])
	}
	return out
}

func rowOf(m *vision.Image, y int) []byte { return m.Pix[y*m.Width*3:][:m.Width*3] }
