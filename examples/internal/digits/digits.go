// Package digits provides pictures of the digits 0 to 9, as the examples need them:
// those of MNIST, or drawn ones, which need no download.
//
// Both are gray, 28×28 pixels, bright strokes on black. Drawn digits are a stand-in for
// MNIST: the same shapes and as many of them, a problem that has to be learned, though
// an easier one, as they come from one hand. Figures on them are not figures on MNIST.
package digits

import (
	"math/rand/v2"
	"slices"

	"github.com/torchlit/torchlit/torch"
)

// Side is the width and the height of a picture in pixels.
const Side = 28

const area = Side * Side

// Set is a number of pictures with their labels. Nothing in this package changes one,
// so goroutines may share it.
type Set struct {
	Pixels []byte // of all pictures, row by row; 0 is black, 255 white
	Labels []byte // 0 to 9
}

// Len tells the number of pictures.
func (s *Set) Len() int { return len(s.Labels) }

// Picture returns the pixels of the i-th picture, borrowed.
func (s *Set) Picture(i int) []byte { return s.Pixels[i*area:][:area:area] }

// Batch makes tensors of the pictures at those places: x [n, 1, 28, 28] of float32 from
// 0 to 1, and y [n] with the labels, Long. They are the caller's, or the Scope's.
func (s *Set) Batch(places []int, device torch.Device) (x, y torch.Tensor) {
	n := len(places)
	pixels := make([]byte, 0, n*area)
	labels := make([]int64, 0, n)
	for _, i := range places {
		pixels = append(pixels, s.Picture(i)...)
		labels = append(labels, int64(s.Labels[i]))
	}
	torch.Scope(func(keep func(torch.Tensor) torch.Tensor) {
		// One byte per pixel goes to the device; it becomes four there.
		bytes := torch.FromSlice(pixels, int64(n), 1, Side, Side).To(device, torch.Float)
		x = keep(torch.DivScalar(bytes, 255))
		y = keep(torch.FromSlice(labels, int64(n)).To(device))
	})
	return x, y
}

// Batches cuts the places of all pictures, in order, into batches; the last one has
// what is left over.
func (s *Set) Batches(size int) [][]int {
	places := make([]int, s.Len())
	for i := range places {
		places[i] = i
	}
	return slices.Collect(slices.Chunk(places, size))
}

// Shuffled is Batches in random order, for an epoch of training.
func (s *Set) Shuffled(size int, lots *rand.Rand) [][]int {
	return slices.Collect(slices.Chunk(lots.Perm(s.Len()), size))
}
