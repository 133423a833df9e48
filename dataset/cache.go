package dataset

import (
	"sync/atomic"

	"github.com/torchlit/torchlit/vision"
)

// Cache keeps the images of a source in memory as they are decoded, up to a
// bound: from the second epoch on, they cost a copy. What does not fit is decoded
// each time, so a Cache changes nothing but the speed.
type Cache struct {
	Source
	budget   int64
	expected int64        // bytes once all images are held, as far as known
	held     atomic.Int64 // bytes
	images   []atomic.Pointer[vision.Image]
}

// NewCache makes a cache that holds at most so many bytes of pixels.
func NewCache(source Source, budget int64) *Cache {
	return &Cache{Source: source, budget: budget, images: make([]atomic.Pointer[vision.Image], source.Len())}
}

// Name names image i as the source does.
func (c *Cache) Name(i int) string { return nameOf(c.Source, i) }

// Bytes returns the number of bytes of pixels that are held.
func (c *Cache) Bytes() int64 { return c.held.Load() }

// Load returns a copy of image i, of which the cache keeps another one where
// there is room. It belongs to the caller until Release.
func (c *Cache) Load(i int) (*vision.Image, error) {
	if kept := c.images[i].Load(); kept != nil {
		m := vision.Acquire(kept.Width, kept.Height)
		copy(m.Pix, kept.Pix)
		return m, nil
	}
	img, err := c.Source.Load(i)
	if err != nil {
		return nil, err
	}
	c.keep(i, img)
	return img, nil
}

// keep copies the image, exactly as long as it is, if it fits.
func (c *Cache) keep(i int, img *vision.Image) {
	size := int64(len(img.Pix))
	if c.held.Add(size) > c.budget {
		c.held.Add(-size)
		return
	}
	kept := &vision.Image{Width: img.Width, Height: img.Height, Pix: append(make([]byte, 0, size), img.Pix...)}
	if !c.images[i].CompareAndSwap(nil, kept) { // someone loaded it at the same time
		c.held.Add(-size)
	}
}
