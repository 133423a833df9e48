package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/png"

	"golang.org/x/image/bmp"
)

func decodePNG(data []byte, lim Limits) (*Image, error) {
	// The header is read here because the decoder answers sizes beyond its own limits as if the file were damaged.
	if len(data) < 25 {
		return nil, corrupt("PNG", endsEarly)
	}
	if string(data[12:16]) != "IHDR" {
		return nil, corrupt("PNG", "its first chunk is not the header")
	}
	width, height := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
	if err := lim.check("PNG", int(width), int(height)); err != nil {
		return nil, err
	}
	pixels, perPixel := int64(width)*int64(height), int64(7)
	if data[24] == 16 {
		perPixel = 11
	}
	if bits := pixels * int64(data[24]); bits/8 > maxInflation*int64(len(data)) {
		return nil, corrupt("PNG", endsEarly)
	}
	held, err := lim.take("PNG", perPixel*pixels)
	if err != nil {
		return nil, err
	}
	return held.end(decodePNGPixels(data))
}

// maxInflation is how many bytes a byte of deflated data can stand for at most (https://zlib.net/zlib_tech.html: 1032). A short file with
// a large header is found out before memory is taken for it.
const maxInflation = 1032

func decodePNGPixels(data []byte) (*Image, error) {
	src, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("PNG", err)
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
		return nil, corruptBy("GIF", err)
	}
	if err := lim.check("GIF", cfg.Width, cfg.Height); err != nil {
		return nil, err
	}
	held, err := lim.take("GIF", 4*int64(cfg.Width)*int64(cfg.Height))
	if err != nil {
		return nil, err
	}
	return held.end(decodeGIFFrame(data, cfg.Width, cfg.Height))
}

func decodeGIFFrame(data []byte, width, height int) (*Image, error) {
	src, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("GIF", err)
	}
	frame, ok := src.(*image.Paletted)
	if !ok {
		return FromImage(src), nil
	}
	colours, open := gifColours(data)
	m := Acquire(width, height)
	b := frame.Bounds()
	if b.Dx() < m.Width || b.Dy() < m.Height {
		for i := 0; i < len(m.Pix); i += 3 {
			copy(m.Pix[i:i+3], colours[open][:])
		}
	}
	for y := range b.Dy() {
		dst, idx := m.row(b.Min.Y + y)[b.Min.X*3:], frame.Pix[y*frame.Stride:][:b.Dx()]
		for x, i := range idx {
			copy(dst[x*3:x*3+3], colours[i][:])
		}
	}
	return m, nil
}

// gifColours reads the colours of the first frame, and the index that shows where the frame does not reach. Go's decoder has
// read the same bytes without complaint, but it blackens the colour of the transparent index, which Pillow shows.
func gifColours(data []byte) (colours [256][3]byte, open byte) {
	table := func(flags byte, at int) (next int) {
		if flags&0x80 == 0 {
			return at
		}
		n := 2 << (flags & 7)
		for i := range n {
			if at+3 <= len(data) {
				copy(colours[i][:], data[at:])
				at += 3
			}
		}
		return at
	}
	at := table(data[10], 13)
	if data[10]&0x80 != 0 {
		open = data[11]
	}
	for at+10 <= len(data) && data[at] == 0x21 { // extensions: a kind, then blocks that begin with their length
		if data[at+1] == 0xF9 && data[at+3]&1 != 0 { // graphic control with a transparent index
			open = data[at+6]
		}
		for at += 2; at < len(data) && data[at] != 0; {
			at += int(data[at]) + 1
		}
		at++
	}
	if at+10 <= len(data) && data[at] == 0x2C {
		table(data[at+9], at+10)
	}
	return colours, open
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
		return nil, corruptBy("BMP", err)
	}
	if err := lim.check("BMP", cfg.Width, cfg.Height); err != nil {
		return nil, err
	}
	if len(data) >= 30 { // rows are not compressed, so a short file is known before memory is taken for its pixels
		if bits := int(binary.LittleEndian.Uint16(data[28:])); len(data) < cfg.Width*cfg.Height/8*bits {
			return nil, corrupt("BMP", endsEarly)
		}
	}
	held, err := lim.take("BMP", 7*int64(cfg.Width)*int64(cfg.Height))
	if err != nil {
		return nil, err
	}
	return held.end(decodeBMPPixels(data))
}

func decodeBMPPixels(data []byte) (*Image, error) {
	src, err := bmp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("BMP", err)
	}
	return FromImage(src), nil
}
