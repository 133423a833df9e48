package vision

import (
	"bytes"
	"encoding/binary"
)

// exifOrientation reads tag 0x0112 of the first directory of an EXIF block (a TIFF header with or without "Exif\0\0" before
// it). It returns 1, upright, for whatever is missing or malformed: a picture is worth more than its metadata.
func exifOrientation(block []byte) int {
	block = bytes.TrimPrefix(block, []byte("Exif\x00\x00"))
	if len(block) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(block[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	start := uint64(order.Uint32(block[4:]))
	if start+2 > uint64(len(block)) {
		return 1
	}
	count := int(order.Uint16(block[start:]))
	entries := block[start+2:]
	for ; count > 0 && len(entries) >= 12; count, entries = count-1, entries[12:] {
		if order.Uint16(entries) != 0x0112 {
			continue
		}
		if kind := order.Uint16(entries[2:]); kind != 3 || order.Uint32(entries[4:]) != 1 { // one SHORT
			return 1
		}
		if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
			return o
		}
		return 1
	}
	return 1
}

// upright turns and mirrors m as an EXIF orientation asks for, and releases m if it returns another Image.
//
// Every one of the eight is a walk over the source with two constant steps: one for the next pixel of a row of the result,
// one for the next row.
func upright(m *Image, orientation int) *Image {
	if orientation <= 1 || orientation > 8 {
		return m
	}
	w, h := m.Width, m.Height
	var start, right, down int // in source pixels
	switch orientation {
	case 2: // mirrored left to right
		start, right, down = w-1, -1, w
	case 3: // upside down
		start, right, down = w*h-1, -1, -w
	case 4: // mirrored top to bottom
		start, right, down = w*(h-1), 1, -w
	case 5: // mirrored along the main diagonal
		start, right, down = 0, w, 1
	case 6: // needs a quarter turn clockwise
		start, right, down = w*(h-1), -w, 1
	case 7: // mirrored along the other diagonal
		start, right, down = w*h-1, -w, -1
	case 8: // needs a quarter turn anticlockwise
		start, right, down = w-1, w, -1
	}
	if orientation >= 5 {
		w, h = h, w
	}
	out := Acquire(w, h)
	for y := range h {
		dst, at := out.row(y), (start+y*down)*3
		for i := 0; i < len(dst); i += 3 {
			dst[i], dst[i+1], dst[i+2] = m.Pix[at], m.Pix[at+1], m.Pix[at+2]
			at += right * 3
		}
	}
	m.Release()
	return out
}
