package augment

import (
	"fmt"
	"image"
	"math"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
	"github.com/torchlit/torchlit/vision"
)

// A frame is the first step of a pipeline: it makes a picture of the model's size out of one of any size.
type frame interface {
	// apply writes all of s.img, drawing from s.r.
	apply(s *scratch, src *vision.Image)
	String() string
}

// resizedCrop is timm's RandomResizedCropAndInterpolation: a part drawn by area and shape, resized.
type resizedCrop struct {
	scale, ratio  [2]float64
	interpolation []vision.Interpolation // one of them, drawn
	resize        resizer
}

// drawBox takes two numbers an attempt, and two more for the place of the first box that fits. After ten attempts it is the
// middle: as much as possible with a ratio in range.
func (c *resizedCrop) drawBox(r *random, width, height int) image.Rectangle {
	area := float64(width) * float64(height)
	logs := [2]float64{math.Log(c.ratio[0]), math.Log(c.ratio[1])}
	for range 10 {
		target := r.uniform(c.scale[0], c.scale[1]) * area
		ratio := math.Exp(r.uniform(logs[0], logs[1]))
		w, h := int(math.RoundToEven(math.Sqrt(target*ratio))), int(math.RoundToEven(math.Sqrt(target/ratio)))
		if 0 < w && w <= width && 0 < h && h <= height {
			top, left := r.between(0, height-h), r.between(0, width-w)
			return image.Rect(left, top, left+w, top+h)
		}
	}
	w, h := width, height
	if own := float64(width) / float64(height); own < c.ratio[0] {
		h = max(int(math.RoundToEven(float64(w)/c.ratio[0])), 1)
	} else if own > c.ratio[1] {
		w = max(int(math.RoundToEven(float64(h)*c.ratio[1])), 1)
	}
	left, top := (width-w)/2, (height-h)/2
	return image.Rect(left, top, left+w, top+h)
}

func (c *resizedCrop) apply(s *scratch, src *vision.Image) {
	interpolation := c.interpolation[s.r.Below(len(c.interpolation))]
	box := c.drawBox(&s.r, src.Width, src.Height)
	c.resize.crop(&s.img, src, box, interpolation)
}

func (c *resizedCrop) String() string {
	return fmt.Sprintf("RandomResizedCrop(scale=%v, ratio=%.4v, interpolation=%v)", c.scale, c.ratio, c.interpolation)
}

// ResizedCrop resizes the part of src within box to dst's size, as torchvision's resized_crop does a Pillow picture: what lies
// outside the box has no influence. dst and src do not overlap. The box must lie within src and hold a pixel.
func ResizedCrop(dst, src *vision.Image, box image.Rectangle, interpolation vision.Interpolation) {
	if box.Empty() || !box.In(image.Rect(0, 0, src.Width, src.Height)) {
		panic(fmt.Sprintf("BUG: augment.ResizedCrop: box %v in %d x %d pixels", box, src.Width, src.Height))
	}
	resizer{}.crop(dst, src, box, interpolation)
}

// resizer is Config.Resizer, with vision.PillowResizer where there is none or it fails.
type resizer struct{ first vision.Resizer }

func (r resizer) crop(dst, src *vision.Image, box image.Rectangle, interpolation vision.Interpolation) {
	if box.Dx() == dst.Width && box.Dy() == dst.Height {
		imageops.Window(dst, src, box.Min.Y, box.Min.X, imageops.Constant, [3]byte{})
		return
	}
	part := src
	if box.Dx() != src.Width || box.Dy() != src.Height {
		part = vision.Acquire(box.Dx(), box.Dy())
		defer part.Release()
		imageops.Window(part, src, box.Min.Y, box.Min.X, imageops.Constant, [3]byte{})
	}
	m, _ := r.resize(part, dst.Width, dst.Height, interpolation)
	copy(dst.Pix, m.Pix)
	m.Release()
}

// resize is a vision.Resizer that does not fail: sizes are those of pictures.
func (r resizer) resize(src *vision.Image, width, height int, interpolation vision.Interpolation) (*vision.Image, error) {
	if r.first != nil {
		m, err := r.first(src, width, height, interpolation)
		if err == nil && (m.Width != width || m.Height != height) {
			panic(fmt.Sprintf("BUG: augment: the resizer returned %d x %d pixels; want %d x %d", m.Width, m.Height, width, height))
		}
		if err == nil {
			return m, nil
		}
	}
	m, err := vision.PillowResizer(src, width, height, interpolation)
	if err != nil {
		panic("BUG: augment: " + err.Error())
	}
	return m, nil
}

// paddedCrop is torchvision's RandomCrop with padding, after its Resize of the short side where that is not side already.
type paddedCrop struct {
	side          int
	pad           int
	mode          imageops.Padding
	interpolation vision.Interpolation
	resize        resizer
}

// drawOffset takes two numbers.
func (c *paddedCrop) drawOffset(r *random, dst, src *vision.Image) (top, left int) {
	top = r.between(0, src.Height+2*c.pad-dst.Height) - c.pad
	left = r.between(0, src.Width+2*c.pad-dst.Width) - c.pad
	return top, left
}

func (c *paddedCrop) apply(s *scratch, src *vision.Image) {
	if min(src.Width, src.Height) != c.side {
		m := c.shortSide(src)
		defer m.Release()
		src = m
	}
	top, left := c.drawOffset(&s.r, &s.img, src)
	imageops.Window(&s.img, src, top, left, c.mode, [3]byte{})
}

func (c *paddedCrop) String() string {
	return fmt.Sprintf("Resize(%d) → RandomCrop(padding=%d, padding_mode=%v)", c.side, c.pad, c.mode)
}

// maxAspect is where shortSide begins to cut.
const maxAspect = 16

// shortSide resizes src, whose short side is another, so that its short side has side pixels, the other truncated as torchvision's Resize does. A ribbon is cut
// to its middle first: at 1 x 60,000 pixels its long side would become millions, of which a crop shows a few hundred.
func (c *paddedCrop) shortSide(src *vision.Image) *vision.Image {
	width, height := src.Width, src.Height
	if most := maxAspect * min(width, height); max(width, height) > most {
		width, height = min(width, most), min(height, most)
		part := vision.Acquire(width, height)
		defer part.Release()
		imageops.Window(part, src, (src.Height-height)/2, (src.Width-width)/2, imageops.Constant, [3]byte{})
		src = part
	}
	if width <= height {
		width, height = c.side, int(float64(c.side*height)/float64(width))
	} else {
		width, height = int(float64(c.side*width)/float64(height)), c.side
	}
	m, _ := c.resize.resize(src, width, height, c.interpolation)
	return m
}

// centreCrop is what timm does without augmentation: torchvision's Resize of the short side, and CenterCrop.
type centreCrop struct {
	preprocess vision.Preprocess
	resize     vision.Resizer
}

func (c *centreCrop) apply(s *scratch, src *vision.Image) {
	if err := c.preprocess.Apply(src, c.resize, s.img.Pix); err != nil {
		panic("BUG: augment: " + err.Error()) // it refuses sizes only
	}
}

func (c *centreCrop) String() string {
	return fmt.Sprintf("Resize(%d) → CenterCrop(%d)", c.preprocess.Width, c.preprocess.Width)
}
