package transforms

import "github.com/torchlit/torchlit/vision"

// Gray is a picture of one channel, as Grayscale makes it: the three bytes of
// each pixel are equal. ToTensor makes one channel of it.
type Gray struct{ *vision.Image }

// GrayscaleTransformer takes the colour out of pictures.
type GrayscaleTransformer struct{}

// Grayscale turns a picture gray, with Pillow's weights (ITU-R 601: 0.299 R +
// 0.587 G + 0.114 B). In a chain it comes right before ToTensor. gotorch's
// programs had OpenCV read a picture as gray; this stands in for that.
func Grayscale() *GrayscaleTransformer { return &GrayscaleTransformer{} }

// Run returns input in gray.
func (t *GrayscaleTransformer) Run(input *vision.Image) Gray {
	checkImage("Grayscale", input)
	out := vision.Acquire(input.Width, input.Height)
	for i := 0; i < len(out.Pix); i += 3 {
		p := input.Pix[i : i+3]
		l := byte((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = l, l, l
	}
	return Gray{out}
}
