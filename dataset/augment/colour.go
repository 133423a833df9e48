package augment

import (
	"fmt"
	"math"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
)

// A stage is a later step of a pipeline. It changes s.img, drawing from s.r.
type stage interface {
	apply(s *scratch)
	String() string
}

// flip mirrors with a probability. It draws one number.
type flip struct {
	probability float64
	vertical    bool
}

func (f *flip) apply(s *scratch) {
	switch {
	case !s.r.hit(f.probability):
	case f.vertical:
		imageops.FlipVertical(&s.img)
	default:
		imageops.FlipHorizontal(&s.img)
	}
}

func (f *flip) String() string {
	if f.vertical {
		return fmt.Sprintf("RandomVerticalFlip(p=%v)", f.probability)
	}
	return fmt.Sprintf("RandomHorizontalFlip(p=%v)", f.probability)
}

// jitter is torchvision's ColorJitter within RandomApply: brightness, contrast, saturation and hue in random order.
type jitter struct {
	probability float64
	amount      [4]float64 // brightness, contrast, saturation, hue; 0 leaves one as it is
}

// jitterDraw is what jitter draws: the order as indexes, and the factors (for the hue, the shift) by index.
type jitterDraw struct {
	order  [4]int
	factor [4]float64
}

// draw takes eight numbers: four for the order, one for each factor.
func (j *jitter) draw(r *random) (d jitterDraw) {
	for i := range d.order {
		k := r.Below(i + 1)
		d.order[i] = d.order[k]
		d.order[k] = i
	}
	for i, a := range j.amount {
		if i == 3 {
			d.factor[i] = r.uniform(-a, a)
		} else {
			d.factor[i] = r.uniform(max(1-a, 0), 1+a)
		}
	}
	return d
}

func (j *jitter) apply(s *scratch) {
	on := s.r.hit(j.probability)
	if d := j.draw(&s.r); on {
		j.applyDrawn(s, &d)
	}
}

func (j *jitter) applyDrawn(s *scratch, d *jitterDraw) {
	for _, i := range d.order {
		switch f := d.factor[i]; {
		case j.amount[i] == 0:
		case i == 0:
			imageops.Brightness(&s.img, f)
		case i == 1:
			imageops.Contrast(&s.img, f)
		case i == 2:
			imageops.Color(&s.img, f)
		default:
			imageops.Hue(&s.img, f)
		}
	}
}

func (j *jitter) String() string {
	a := j.amount
	return fmt.Sprintf("ColorJitter(brightness=%v, contrast=%v, saturation=%v, hue=%v, p=%v)", a[0], a[1], a[2], a[3], j.probability)
}

// grayscale is torchvision's RandomGrayscale. It draws one number.
type grayscale struct{ probability float64 }

func (g *grayscale) apply(s *scratch) {
	if s.r.hit(g.probability) {
		imageops.Grayscale(&s.img)
	}
}

func (g *grayscale) String() string { return fmt.Sprintf("RandomGrayscale(p=%v)", g.probability) }

// blur is torchvision's GaussianBlur within RandomApply, with the kernel that timm gives it. It draws two numbers.
type blur struct{ probability float64 }

const (
	blurKernel   = 23  // pixels; the picture must be larger than half of it
	blurSigmaMin = 0.1 // pixels
	blurSigmaMax = 2.0
)

func (b *blur) apply(s *scratch) {
	on := s.r.hit(b.probability)
	if sigma := s.r.uniform(blurSigmaMin, blurSigmaMax); on {
		imageops.KernelBlur(&s.img, blurKernel, sigma)
	}
}

func (b *blur) String() string {
	return fmt.Sprintf("GaussianBlur(kernel_size=%d, sigma=(%v, %v), p=%v)", blurKernel, blurSigmaMin, blurSigmaMax, b.probability)
}

// colourOf is the byte colour nearest to channels in 0..1, as timm rounds it.
func colourOf(mean [3]float64) (c [3]byte) {
	for i, v := range mean {
		c[i] = byte(min(max(math.RoundToEven(255*v), 0), 255))
	}
	return c
}
