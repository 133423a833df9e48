package augment

import (
	"fmt"
	"image"
	"math"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
)

// Erase modes, with timm's names.
const (
	EraseConst = "const" // the mean colour, which is 0 once normalised
	EraseRand  = "rand"  // one colour for each box, drawn from the normal distribution with the data's mean and deviation
	ErasePixel = "pixel" // one such colour for each pixel
)

// erasing is timm's RandomErasing, before normalisation instead of after it: 0 there is the mean colour here. Drawn colours are
// rounded to bytes and cut at 0 and 255; after normalisation they would be neither.
type erasing struct {
	probability  float64
	area, aspect [2]float64 // shares of the picture's area; height over width
	mode         string
	count        int // boxes at most
	mean, std    [3]float64
}

// drawBox takes two numbers an attempt, ten attempts at most, and two for the place of the first box that fits.
func (e *erasing) drawBox(r *random, width, height, count int) (box image.Rectangle, ok bool) {
	area := float64(width * height)
	for range 10 {
		target := r.uniform(e.area[0], e.area[1]) * area / float64(count)
		aspect := math.Exp(r.uniform(math.Log(e.aspect[0]), math.Log(e.aspect[1])))
		h, w := int(math.RoundToEven(math.Sqrt(target*aspect))), int(math.RoundToEven(math.Sqrt(target/aspect)))
		if w < width && h < height {
			top, left := r.between(0, height-h), r.between(0, width-w)
			return image.Rect(left, top, left+w, top+h), true
		}
	}
	return image.Rectangle{}, false
}

func (e *erasing) apply(s *scratch) {
	r := &s.r
	if !r.hit(e.probability) {
		return
	}
	count := r.between(1, e.count)
	for range count {
		box, ok := e.drawBox(r, s.img.Width, s.img.Height, count)
		switch {
		case !ok:
		case e.mode == EraseConst:
			imageops.Erase(&s.img, box, colourOf(e.mean))
		case e.mode == EraseRand:
			imageops.Erase(&s.img, box, e.drawColour(r))
		default:
			for y := box.Min.Y; y < box.Max.Y; y++ {
				for x := box.Min.X; x < box.Max.X; x++ {
					colour := e.drawColour(r)
					copy(s.img.Pix[(y*s.img.Width+x)*3:], colour[:])
				}
			}
		}
	}
}

// drawColour takes six numbers.
func (e *erasing) drawColour(r *random) [3]byte {
	var c [3]float64
	for i := range c {
		c[i] = e.mean[i] + e.std[i]*r.normal()
	}
	return colourOf(c)
}

func (e *erasing) String() string {
	return fmt.Sprintf("RandomErasing(p=%v, mode=%s, count=(1, %d))", e.probability, e.mode, e.count)
}

// cutout is that of DeVries and Taylor ("Improved regularization of convolutional neural networks with Cutout"): a square whose
// middle lies anywhere in the picture. It draws two numbers.
type cutout struct {
	side int
	fill [3]byte
}

func (c *cutout) drawBox(r *random, width, height int) image.Rectangle {
	y, x := r.Below(height)-c.side/2, r.Below(width)-c.side/2
	return image.Rect(x, y, x+c.side, y+c.side)
}

func (c *cutout) apply(s *scratch) {
	imageops.Erase(&s.img, c.drawBox(&s.r, s.img.Width, s.img.Height), c.fill)
}

func (c *cutout) String() string { return fmt.Sprintf("Cutout(%d)", c.side) }
