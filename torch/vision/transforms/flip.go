package transforms

import (
	"math/rand/v2"

	"github.com/torchlit/torchlit/vision"
)

// RandomHorizontalFlipTransformer turns pictures upside down at random; see
// RandomHorizontalFlip.
type RandomHorizontalFlipTransformer struct{ p float32 }

// RandomHorizontalFlip turns a picture upside down with probability p.
//
// This is not what torchvision's transform of that name does, which swaps left
// and right: gotorch had the two flips crossed, and models were trained with it.
// To swap left and right use RandomVerticalFlip.
func RandomHorizontalFlip(p float32) *RandomHorizontalFlipTransformer {
	return &RandomHorizontalFlipTransformer{p}
}

// Run flips input, or returns it as it is.
func (t *RandomHorizontalFlipTransformer) Run(input *vision.Image) *vision.Image {
	return t.RunWith(newRand(), input)
}

// RunWith is Run with the lot drawn from r.
func (t *RandomHorizontalFlipTransformer) RunWith(r *rand.Rand, input *vision.Image) *vision.Image {
	checkImage("RandomHorizontalFlip", input)
	if r.Float32() >= t.p {
		return input
	}
	return upsideDown(input)
}

// RandomVerticalFlipTransformer swaps left and right at random; see
// RandomVerticalFlip.
type RandomVerticalFlipTransformer struct{ p float32 }

// RandomVerticalFlip swaps left and right with probability p, which is what
// torchvision calls a horizontal flip; see RandomHorizontalFlip for why.
func RandomVerticalFlip(p float32) *RandomVerticalFlipTransformer {
	return &RandomVerticalFlipTransformer{p}
}

// Run flips input, or returns it as it is.
func (t *RandomVerticalFlipTransformer) Run(input *vision.Image) *vision.Image {
	return t.RunWith(newRand(), input)
}

// RunWith is Run with the lot drawn from r.
func (t *RandomVerticalFlipTransformer) RunWith(r *rand.Rand, input *vision.Image) *vision.Image {
	checkImage("RandomVerticalFlip", input)
	if r.Float32() >= t.p {
		return input
	}
	return mirrored(input)
}

func upsideDown(m *vision.Image) *vision.Image {
	out := vision.Acquire(m.Width, m.Height)
	for y := range m.Height {
		copy(rowOf(out, m.Height-1-y), rowOf(m, y))
	}
	return out
}

func mirrored(m *vision.Image) *vision.Image {
	out := vision.Acquire(m.Width, m.Height)
	for y := range m.Height {
		from, to := rowOf(m, y), rowOf(out, y)
		for i, j := 0, len(to)-3; i < len(from); i, j = i+3, j-3 {
			copy(to[j:j+3], from[i:i+3])
		}
	}
	return out
}
