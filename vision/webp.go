package vision

import (
	"bytes"
	"encoding/binary"
	"image"

	"golang.org/x/image/webp"
)

func decodeWebP(data []byte, lim Limits) (*Image, error) {
	if size := binary.LittleEndian.Uint32(data[4:]); uint64(size)+8 > uint64(len(data)) {
		return nil, corrupt("WebP", endsEarly) // the pixels may be there, the orientation behind them not
	}
	cfg, err := webp.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("WebP", err)
	}
	if err := lim.check("WebP", cfg.Width, cfg.Height); err != nil {
		return nil, err
	}
	held, err := lim.take("WebP", 7*int64(cfg.Width)*int64(cfg.Height))
	if err != nil {
		return nil, err
	}
	return held.end(decodeWebPPixels(data, cfg.Width, cfg.Height, lim))
}

func decodeWebPPixels(data []byte, width, height int, lim Limits) (*Image, error) {
	orientation := exifOrientation(riffChunk(data[12:], "EXIF"))
	if frame, x, y := firstWebPFrame(data); frame != nil {
		m, err := decodeWebPFrame(frame, x, y, width, height, lim)
		if err != nil {
			return nil, err
		}
		return upright(m, orientation), nil
	}
	src, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, corruptBy("WebP", err)
	}
	return upright(fromWebP(src), orientation), nil
}

// fromWebP converts lossy pictures with WebP's own colour arithmetic; lossless ones are RGB already.
func fromWebP(src image.Image) *Image {
	switch src := src.(type) {
	case *image.YCbCr:
		return fromVP8(src)
	case *image.NYCbCrA:
		return fromVP8(&src.YCbCr)
	}
	return FromImage(src)
}

// riffChunk returns the body of the first chunk of that name in a sequence of RIFF chunks, nil if there is none.
func riffChunk(chunks []byte, name string) []byte {
	for len(chunks) >= 8 {
		n := uint64(binary.LittleEndian.Uint32(chunks[4:]))
		if n > uint64(len(chunks)-8) {
			return nil
		}
		if string(chunks[:4]) == name {
			return chunks[8 : 8+n]
		}
		chunks = chunks[min(8+n+n&1, uint64(len(chunks))):]
	}
	return nil
}

// firstWebPFrame finds the first frame of an animation and returns it as a still WebP file, with its place on the canvas. The
// decoder that we use reads stills only. frame is nil if the file is a still.
func firstWebPFrame(data []byte) (frame []byte, x, y int) {
	const animated, alpha = 1 << 1, 1 << 4
	head := riffChunk(data[12:], "VP8X")
	if len(head) < 10 || head[0]&animated == 0 {
		return nil, 0, 0
	}
	body := riffChunk(data[12:], "ANMF")
	if len(body) < 16 {
		return nil, 0, 0
	}
	// An ANMF body: x/2, y/2, width-1, height-1 and duration in 24 bits each, flags, then ALPH and VP8 or VP8L chunks.
	chunks := body[16:]
	var flags byte
	if riffChunk(chunks, "ALPH") != nil {
		flags = alpha
	}
	still := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"), flags, 0, 0, 0)
	still = append(still, body[6:12]...)
	still = append(still, chunks...)
	binary.LittleEndian.PutUint32(still[4:], uint32(len(still)-8))
	return still, uint24(body) * 2, uint24(body[3:]) * 2
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// decodeWebPFrame puts a frame on a canvas of the animation's size; what it leaves open is black, transparent black for Pillow.
func decodeWebPFrame(frame []byte, x, y, width, height int, lim Limits) (*Image, error) {
	cfg, err := webp.DecodeConfig(bytes.NewReader(frame))
	if err != nil {
		return nil, corruptBy("WebP", err)
	}
	if err := lim.check("WebP", cfg.Width, cfg.Height); err != nil {
		return nil, err
	}
	if x+cfg.Width > width || y+cfg.Height > height {
		return nil, corrupt("WebP", "its first frame does not fit on its canvas")
	}
	src, err := webp.Decode(bytes.NewReader(frame))
	if err != nil {
		return nil, corruptBy("WebP", err)
	}
	m := fromWebP(src)
	if m.Width == width && m.Height == height {
		return m, nil
	}
	canvas := Acquire(width, height)
	clear(canvas.Pix)
	for row := range m.Height {
		copy(canvas.row(y + row)[x*3:], m.row(row))
	}
	m.Release()
	return canvas, nil
}
