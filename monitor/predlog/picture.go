package predlog

import (
	"bytes"
	"image"
	"image/png"

	"github.com/torchlit/torchlit/monitor"
)

// pictures makes PNGs, one after the other, in the same memory.
type pictures struct{ buffer bytes.Buffer }

// encode is the picture as PNG, until the next one.
func (e *pictures) encode(p *monitor.Picture) ([]byte, error) {
	img := image.NewNRGBA(image.Rect(0, 0, p.Width, p.Height))
	for i := range p.Width * p.Height {
		copy(img.Pix[4*i:], p.Pixels[3*i:3*i+3])
		img.Pix[4*i+3] = 0xff
	}
	e.buffer.Reset()
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&e.buffer, img); err != nil {
		return nil, err
	}
	return e.buffer.Bytes(), nil
}
