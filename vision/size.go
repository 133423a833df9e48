package vision

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// Size tells the size of a picture that Decode would read, in pixels, upright, from its header alone: in microseconds, and before any
// limit is asked. ok is false where the header cannot be read.
func Size(data []byte) (width, height int, ok bool) {
	switch sniff(data) {
	case "JPEG":
		h, err := readJPEGHeader(data)
		width, height = h.upright()
		return width, height, err == nil && width > 0 && height > 0
	case "PNG":
		return pngSize(data)
	case "GIF":
		return configSize(gif.DecodeConfig(bytes.NewReader(data)))
	case "WebP":
		width, height, ok = configSize(webp.DecodeConfig(bytes.NewReader(data)))
		width, height = turned(width, height, exifOrientation(riffChunk(data[12:], "EXIF")))
		return width, height, ok
	case "BMP":
		return configSize(bmp.DecodeConfig(bytes.NewReader(data)))
	}
	return 0, 0, false
}

func pngSize(data []byte) (width, height int, ok bool) {
	if len(data) < 24 || string(data[12:16]) != "IHDR" {
		return 0, 0, false
	}
	width, height = int(binary.BigEndian.Uint32(data[16:])), int(binary.BigEndian.Uint32(data[20:]))
	width, height = turned(width, height, exifOrientation(pngChunk(data, "eXIf")))
	return width, height, width > 0 && height > 0
}

func configSize(c image.Config, err error) (width, height int, ok bool) {
	return c.Width, c.Height, err == nil && c.Width > 0 && c.Height > 0
}

// turned is the size of a picture that an EXIF orientation has turned.
func turned(width, height, orientation int) (int, int) {
	if orientation >= 5 && orientation <= 8 {
		return height, width
	}
	return width, height
}
