package predict

import (
	"github.com/torchlit/torchlit/torch/engine"
	"github.com/torchlit/torchlit/vision"
)

// Resize is a [vision.Resizer] that runs libtorch's antialiasing filters for
// bytes: within 2/255 of Pillow's result and many times faster than pure Go. It
// needs the native library. Any number of goroutines may call it at once; each
// works on its own thread.
//
// Width and height are scaled in two passes, and the first one's result is
// rounded to bytes and clipped. libtorch always scales the width first. Pillow
// begins with the height since version 13 where that saves work; beside hard
// edges the two orders differ by up to 30/255. So that order is kept by two
// calls.
func Resize(src *vision.Image, width, height int, ip vision.Interpolation) (*vision.Image, error) {
	if !heightFirst(src, width, height) {
		return resize(src, width, height, ip)
	}
	between, err := resize(src, src.Width, height, ip)
	if err != nil {
		return nil, err
	}
	defer between.Release()
	extentWidth, _ := src.Extent()
	between.SetExtent(extentWidth, float64(height))
	return resize(between, width, height, ip)
}

// heightFirst is Pillow 13's rule.
func heightFirst(src *vision.Image, width, height int) bool {
	return width != src.Width && height < src.Height && src.Height-height > 2*(src.Width-width)
}

func resize(src *vision.Image, width, height int, ip vision.Interpolation) (*vision.Image, error) {
	dst := vision.Acquire(max(width, 0), max(height, 0))
	extentWidth, extentHeight := src.Extent()
	if width == src.Width { // the other side's turn
		extentWidth = float64(width)
	}
	if height == src.Height {
		extentHeight = float64(height)
	}
	err := engine.ResizeExtent(src.Pix, src.Width, src.Height, extentWidth, extentHeight, dst.Pix, width, height, ip == vision.Bicubic)
	if err != nil {
		dst.Release()
		return nil, err
	}
	return dst, nil
}

var _ vision.Resizer = Resize
