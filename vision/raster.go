package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"strings"

	"golang.org/x/image/bmp"
)

func decodePNG(data []byte, lim Limits) (*Image, error) {
	cfg, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("PNG", trimPrefix(err, "png: "))
	}
	if err := lim.check("PNG", cfg.Width, cfg.Height); err != nil {
		return nil, err
	}
	src, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("PNG", trimPrefix(err, "png: "))
	}
	return upright(FromImage(src), exifOrientation(pngChunk(data, "eXIf"))), nil
}

// pngChunk returns the body of the first chunk of that type, nil if there is none.
func pngChunk(data []byte, kind string) []byte {
	for data = data[8:]; len(data) >= 12; {
		n := binary.BigEndian.Uint32(data)
		if uint64(n) > uint64(len(data)-12) {
			return nil
		}
		if string(data[4:8]) == kind {
			return data[8 : 8+n]
		}
		data = data[12+n:]
	}
	return nil
}

// decodeGIF shows the first frame on its canvas, as a viewer would. What the frame leaves open takes the colour that Pillow
// gives it: the transparent index if there is one, the background index otherwise.
func decodeGIF(data []byte, lim Limits) (*Image, error) {
	cfg, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("GIF", trimPrefix(err, "gif: "))
	}
	if err := lim.check("GIF", cfg.Width, cfg.Height); err != nil {
		return nil, err
	}
	src, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("GIF", trimPrefix(err, "gif: "))
	}
	frame, ok := src.(*image.Paletted)
	if !ok || frame.Bounds() == image.Rect(0, 0, cfg.Width, cfg.Height) {
		return FromImage(src), nil
	}
	canvas := image.NewPaletted(image.Rect(0, 0, cfg.Width, cfg.Height), frame.Palette)
	if open := openIndex(data, frame.Palette); open != 0 {
		for i := range canvas.Pix {
			canvas.Pix[i] = open
		}
	}
	b := frame.Bounds()
	for y := range b.Dy() {
		copy(canvas.Pix[canvas.PixOffset(b.Min.X, b.Min.Y+y):], frame.Pix[y*frame.Stride:][:b.Dx()])
	}
	return FromImage(canvas), nil
}

func openIndex(data []byte, palette color.Palette) byte {
	for i, c := range palette {
		if _, _, _, a := c.RGBA(); a == 0 {
			return byte(i)
		}
	}
	if background := data[11]; data[10]&0x80 != 0 && int(background) < len(palette) {
		return background
	}
	return 0
}

// isBMPHeader looks at the length of the second header, since "BM" alone begins many a text.
func isBMPHeader(data []byte) bool {
	switch binary.LittleEndian.Uint32(data[14:]) {
	case 12, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}

func decodeBMP(data []byte, lim Limits) (*Image, error) {
	cfg, err := bmp.DecodeConfig(bytes.NewReader(data))
	if errors.Is(err, bmp.ErrUnsupported) {
		return nil, corrupt("BMP", "this kind of BMP (compressed or 16-bit) is not supported")
	}
	if err != nil {
		return nil, corruptBy("BMP", trimPrefix(err, "bmp: "))
	}
	if err := lim.check("BMP", cfg.Width, cfg.Height); err != nil {
		return nil, err
	}
	src, err := bmp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("BMP", trimPrefix(err, "bmp: "))
	}
	return FromImage(src), nil
}

// trimPrefix drops the codec's own name, which our sentence says already, and keeps the chain for errors.Is.
func trimPrefix(err error, prefix string) error {
	if text, ok := strings.CutPrefix(err.Error(), prefix); ok {
		return errors.New(text)
	}
	return err
}
