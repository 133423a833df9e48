// Package imageops changes 8-bit RGB pictures as Pillow does, byte for byte: the operations that training pipelines are written
// in terms of (ImageOps, ImageEnhance, Image.transform), and the few that torchvision adds to them.
//
// Byte for byte, because published recipes were tuned with Pillow's arithmetic, and because equality is a test that nothing slips
// through. So sums are rounded where Pillow rounds them, in the type that it uses; conversions such as float32(a*b) keep
// compilers from fusing a product with a sum, which would round differently on some processors.
//
// Every function changes its picture in place, writes all of its pixels or none, and keeps its size. A picture is used by one
// goroutine at a time; different pictures may be changed at once. Memory for intermediate results comes from vision.Acquire, so
// nothing is allocated once the pool is warm. There is nothing random here: whoever calls has drawn the parameters.
package imageops

import "github.com/torchlit/torchlit/vision"

// clone copies m; the caller releases it.
func clone(m *vision.Image) *vision.Image {
	c := vision.Acquire(m.Width, m.Height)
	copy(c.Pix, m.Pix)
	return c
}

// luma is Pillow's conversion to mode "L": ITU-R 601-2 with weights in 1/65536.
func luma(r, g, b byte) int {
	return (int(r)*19595 + int(g)*38470 + int(b)*7471 + 0x8000) >> 16
}

// clip cuts a fraction off and keeps the result within a byte, without a branch.
func clip(v float32) byte { return byte(min(max(int32(v), 0), 255)) }
