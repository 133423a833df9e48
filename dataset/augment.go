package dataset

import (
	"fmt"

	"github.com/torchlit/torchlit/dataset/internal/splitmix"
	"github.com/torchlit/torchlit/vision"
)

// Augment is the Transform of small images: crop, flip, cutout, in that order,
// which keep the image's size. The zero value copies the image. It holds no
// state; any number of goroutines may use it.
type Augment struct {
	// Pad shifts the image by up to Pad pixels in each direction: a crop of
	// the image's own size out of the image with Pad pixels on every side,
	// as torchvision's RandomCrop(size, padding=Pad). At most the image's side.
	Pad int
	// Reflect fills the border with the mirrored image (the edge pixel itself
	// not repeated, torchvision's padding_mode="reflect") instead of zeros.
	// Pad must then be less than the image's side.
	Reflect bool
	// Flip mirrors every other image, left to right.
	Flip bool
	// Cutout paints a square of that side, its centre anywhere in the image,
	// with CutoutFill. 0: none.
	Cutout int
	// CutoutFill is the colour of the cutout; the data set's mean colour
	// becomes zero once the image is normalised.
	CutoutFill [3]byte
}

// Validate says whether images of height×width pixels can be augmented so.
func (a *Augment) Validate(height, width int) error {
	side := min(height, width)
	switch {
	case a.Pad < 0 || a.Cutout < 0:
		return fmt.Errorf("cannot augment with pad %d and cutout %d: neither may be negative", a.Pad, a.Cutout)
	case a.Pad > side || a.Reflect && a.Pad >= side:
		return fmt.Errorf("cannot augment with pad %d: images have only %dx%d pixels; use a smaller pad", a.Pad, width, height)
	}
	return nil
}

// Size returns the size of the image itself.
func (a *Augment) Size(height, width int) (int, int) { return height, width }

// Apply writes the augmented image to dst, which is as long as src.Pix and does
// not overlap it. It panics when Validate would refuse.
func (a *Augment) Apply(dst []byte, src *vision.Image, key Key) {
	height, width, pix := src.Height, src.Width, src.Pix
	const augmentations = 2 // keeps this stream apart from Permutation's
	r := splitmix.Seeded(augmentations, key.Seed, uint64(key.Epoch), uint64(key.Index))
	// Every draw is made whether it is used or not: switching one augmentation
	// on leaves the others as they were.
	dy, dx := r.Below(2*a.Pad+1)-a.Pad, r.Below(2*a.Pad+1)-a.Pad
	flip := r.Next()>>63 == 1 && a.Flip
	cy, cx := r.Below(height), r.Below(width)

	row := width * 3
	for y := range height {
		out := dst[y*row:][:row]
		sy := y + dy
		switch {
		case sy >= 0 && sy < height:
		case a.Reflect:
			sy = reflect(sy, height)
		default:
			clear(out)
			continue
		}
		a.shiftRow(out, pix[sy*row:][:row], dx)
		if flip {
			flipRow(out)
		}
	}
	if a.Cutout > 0 {
		a.cutout(dst, height, width, cy, cx)
	}
}

// shiftRow copies a row so that out's pixel x is in's pixel x+dx.
func (a *Augment) shiftRow(out, in []byte, dx int) {
	n := len(in)
	if dx >= 0 {
		clear(out[copy(out, in[3*dx:]):])
	} else {
		clear(out[:-3*dx])
		copy(out[-3*dx:], in)
	}
	if !a.Reflect || dx == 0 {
		return
	}
	width := n / 3
	from, to := 0, -dx // the pixels that the border covers
	if dx > 0 {
		from, to = width-dx, width
	}
	for x := from; x < to; x++ {
		s := reflect(x+dx, width)
		copy(out[3*x:3*x+3], in[3*s:3*s+3])
	}
}

// flipRow mirrors a row of pixels in place.
func flipRow(row []byte) {
	for i, j := 0, len(row)-3; i < j; i, j = i+3, j-3 {
		row[i], row[j] = row[j], row[i]
		row[i+1], row[j+1] = row[j+1], row[i+1]
		row[i+2], row[j+2] = row[j+2], row[i+2]
	}
}

// reflect maps a coordinate outside [0, n) to the mirrored one inside.
func reflect(i, n int) int {
	if i < 0 {
		i = -i
	}
	if i >= n {
		i = 2*(n-1) - i
	}
	return i
}

func (a *Augment) cutout(dst []byte, height, width, cy, cx int) {
	top, left := cy-a.Cutout/2, cx-a.Cutout/2
	bottom, right := min(top+a.Cutout, height), min(left+a.Cutout, width)
	top, left = max(top, 0), max(left, 0)
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			copy(dst[(y*width+x)*3:], a.CutoutFill[:])
		}
	}
}
