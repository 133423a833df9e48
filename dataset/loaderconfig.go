package dataset

import (
	"errors"
	"fmt"
	"runtime"
)

// LoaderConfig says what an epoch is made of. Source and BatchSize are needed.
type LoaderConfig struct {
	Source    Source
	BatchSize int // images in a batch of one rank
	// Transform changes each image; nil copies it. What it makes of the images
	// must have one size.
	Transform Transform
	// Shuffle visits the images in the order of Permutation.
	Shuffle bool
	// Order, where it is not nil, is the order in place of Shuffle's: indexes of
	// images, which may be missing or come several times, as WeightedOrder's do.
	// Each time that an image comes, it is transformed in another way.
	Order []int32
	// DropLast leaves out a last batch that would not be full.
	DropLast bool
	// Seed and Epoch determine the order and the transforms.
	Seed  uint64
	Epoch int
	// Start is the first batch to deliver, to go on in the middle of an epoch.
	Start int
	// Depth is the number of batches in memory: those prepared ahead and those
	// the caller holds. 0: 4. At least 2.
	Depth int
	// Workers is the number of goroutines that load and transform. 0: one for
	// each CPU that Go uses.
	Workers int
	// Rank and World share the images out among World loaders: number Rank takes
	// the images Rank, Rank+World, … of each global batch of World*BatchSize
	// images. So several ranks together see the batches that one rank with the
	// global batch size sees. World 0 stands for 1.
	//
	// Every rank has the same number of batches. Without DropLast the last one
	// may differ between them by an image, and be empty on some.
	Rank, World int
	// Tolerance allows images that cannot be read; nil: the first one is an error.
	Tolerance *Tolerance
}

func (c *LoaderConfig) setDefaults() {
	if c.Depth == 0 {
		c.Depth = 4
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.World == 0 {
		c.World = 1
	}
}

// images is the number of images in an epoch of all ranks.
func (c *LoaderConfig) images() int {
	if c.Order != nil {
		return len(c.Order)
	}
	return c.Source.Len()
}

func (c *LoaderConfig) validate() error {
	switch {
	case c.Source == nil || c.Source.Len() == 0 || c.images() == 0:
		return errors.New("cannot load batches: the data set is empty")
	case c.BatchSize < 1:
		return fmt.Errorf("cannot load batches of %d images: the batch size must be at least 1", c.BatchSize)
	case c.Rank < 0 || c.World < 1 || c.Rank >= c.World:
		return fmt.Errorf("cannot load batches for rank %d of %d: ranks count from 0 to one less than their number", c.Rank, c.World)
	case c.DropLast && c.BatchSize*c.World > c.images():
		return fmt.Errorf("cannot load batches of %d images: the data set has only %d and a batch that is not full would be dropped; use a smaller batch size",
			c.BatchSize*c.World, c.images())
	case c.Depth < 2:
		return fmt.Errorf("cannot load batches with depth %d: one is in use while the next is prepared, so it must be at least 2", c.Depth)
	case c.Workers < 1:
		return fmt.Errorf("cannot load batches with %d workers: give at least 1", c.Workers)
	case c.Start < 0:
		return fmt.Errorf("cannot start an epoch at batch %d", c.Start)
	}
	for _, i := range c.Order {
		if i < 0 || int(i) >= c.Source.Len() {
			return fmt.Errorf("cannot load image %d of a set of %d", i, c.Source.Len())
		}
	}
	return nil
}

// countRepeats says for each place how often its image came before.
func countRepeats(order []int32, images int) []int32 {
	repeats := make([]int32, len(order))
	seen := make([]int32, images)
	for place, i := range order {
		repeats[place] = seen[i]
		seen[i]++
	}
	return repeats
}
