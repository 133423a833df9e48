// Package dataset deals labelled images out in batches: CIFAR-10 and CIFAR-100 from
// their official archives, folders of images sorted into one folder a class, and
// WebDataset shards.
//
// What fits is decoded once, at the start, into one slice of bytes (Set): 50,000
// CIFAR images are 154 MB, so there is no cache on disk to go stale, and what is
// left for the training loop is copying bytes. Larger sets are decoded as they are
// needed (Folder, Shards), by the workers of a Loader. Both are a Source, of which
// Subset is a view; a Transform makes images of any size into those of a batch.
//
// Everything random here is a function of (seed, epoch, index) and of nothing
// else. Resuming in the middle of an epoch, another prefetch depth, another number
// of workers or another machine give the same images in the same order.
package dataset

import (
	"context"
	"fmt"

	"github.com/torchlit/torchlit/vision"
)

// Set is an in-memory set of labelled images of one size. Its slices are
// never written after it was made, so any number of goroutines may read it.
type Set struct {
	Classes []string // class names; Labels index them
	Images  []byte   // N*Height*Width*3 bytes: 8-bit RGB, HWC, image after image
	Labels  []int64  // N labels, each in [0, len(Classes))
	Height  int      // of every image, in pixels
	Width   int      // of every image, in pixels

	// Files names the file of each image, in order; nil when the images came
	// from a binary archive.
	Files []string
	// Skipped lists the files that could not be read, when
	// Options.SkipCorrupt allowed to go on without them.
	Skipped []Skipped
}

// Skipped is a file that was left out, and why.
type Skipped struct {
	File string
	Err  error
}

// Len returns the number of images.
func (s *Set) Len() int { return len(s.Labels) }

// Image returns the Height*Width*3 bytes of image i. They belong to the set:
// read them only.
func (s *Set) Image(i int) []byte {
	n := s.imageLen()
	return s.Images[i*n : (i+1)*n : (i+1)*n]
}

func (s *Set) imageLen() int { return s.Height * s.Width * 3 }

// Counts returns the number of images of each class.
func (s *Set) Counts() []int {
	counts := make([]int, len(s.Classes))
	for _, l := range s.Labels {
		counts[l]++
	}
	return counts
}

// Subset returns the images at the given indexes, in that order, as a copy.
func (s *Set) Subset(indexes []int) (*Set, error) {
	n := s.imageLen()
	out := &Set{
		Classes: s.Classes, Height: s.Height, Width: s.Width,
		Images: make([]byte, 0, len(indexes)*n),
		Labels: make([]int64, 0, len(indexes)),
	}
	for _, i := range indexes {
		if i < 0 || i >= s.Len() {
			return nil, fmt.Errorf("cannot take image %d of a set of %d", i, s.Len())
		}
		out.Images = append(out.Images, s.Image(i)...)
		out.Labels = append(out.Labels, s.Labels[i])
		if s.Files != nil {
			out.Files = append(out.Files, s.Files[i])
		}
	}
	return out, nil
}

// Resized returns the set with square images of side pixels, resized in
// parallel by resize (nil: vision.PillowResizer) with bilinear interpolation.
// resize is called from several goroutines at once. Labels and names are
// shared with s. When the images have that size already, s itself is returned.
func (s *Set) Resized(side int, resize vision.Resizer) (*Set, error) {
	if side < 1 {
		return nil, fmt.Errorf("cannot resize a set to side %d: the side must be at least 1", side)
	}
	if s.Height == side && s.Width == side {
		return s, nil
	}
	if resize == nil {
		resize = vision.PillowResizer
	}
	out := *s
	out.Height, out.Width = side, side
	out.Images = make([]byte, s.Len()*side*side*3)
	err := parallel(context.Background(), s.Len(), 0, func(i int) error {
		src := &vision.Image{Width: s.Width, Height: s.Height, Pix: s.Image(i)}
		dst, err := resize(src, side, side, vision.Bilinear)
		if err != nil {
			return fmt.Errorf("cannot resize image %d of the set: %w", i, err)
		}
		copy(out.Image(i), dst.Pix)
		dst.Release()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}
