package vision

import (
	"bytes"
	"encoding/binary"
)

// Marker codes of ITU T.81 that matter here.
const (
	mTEM   = 0x01
	mDHT   = 0xC4
	mJPG   = 0xC8
	mDAC   = 0xCC
	mRST0  = 0xD0
	mRST7  = 0xD7
	mSOI   = 0xD8
	mEOI   = 0xD9
	mSOS   = 0xDA
	mDQT   = 0xDB
	mDRI   = 0xDD
	mAPP0  = 0xE0
	mAPP1  = 0xE1
	mAPP14 = 0xEE
)

// jpegHeader is what the markers of a JPEG file tell before anything is decoded.
type jpegHeader struct {
	width, height int
	components    int
	progressive   bool
	huffman       bool // as nearly all are; the others are arithmetic or lossless
	orientation   int  // EXIF
	buffered      bool // decoded only when all its scans were read, so that the coefficients of all pixels are kept until then
	scans         int  // counted to the end for progressive files; 1 for others, whose first scan ends the search
}

// upright is the size of the picture when it has been turned.
func (h jpegHeader) upright() (width, height int) {
	if h.orientation >= 5 && h.orientation <= 8 {
		return h.height, h.width
	}
	return h.width, h.height
}

// readJPEGHeader walks over the markers. It reads no entropy-coded data, so it costs microseconds.
func readJPEGHeader(data []byte) (jpegHeader, error) {
	h := jpegHeader{orientation: 1}
	seenEXIF := false
	for w := (markers{data: data}); ; {
		m, body, ok := w.next()
		switch {
		case !ok && h.scans > 0:
			return h, nil // whether the pixels are all there is for the decoder to say
		case !ok:
			return h, corrupt("JPEG", endsEarly)
		case m == mEOI && h.scans == 0:
			return h, corrupt("JPEG", "it has a header but no picture")
		case m == mEOI:
			return h, nil
		case isSOF(m) && h.components == 0:
			if len(body) < 6 {
				return h, corrupt("JPEG", "its frame header is too short")
			}
			h.height = int(binary.BigEndian.Uint16(body[1:]))
			h.width = int(binary.BigEndian.Uint16(body[3:]))
			h.components = int(body[5])
			h.progressive, h.huffman = m&3 == 2, m <= 0xC2
		case m == mAPP1 && !seenEXIF && bytes.HasPrefix(body, []byte("Exif\x00")):
			seenEXIF = true
			h.orientation = exifOrientation(body)
		case m == mSOS:
			if h.components == 0 {
				return h, corrupt("JPEG", "it has no frame header")
			}
			h.buffered = h.progressive || len(body) > 0 && int(body[0]) < h.components
			if h.scans++; !h.progressive {
				return h, nil
			}
		}
	}
}

// isSOF tells the start-of-frame markers, one for each coding process, from their neighbours.
func isSOF(m byte) bool {
	return m >= 0xC0 && m <= 0xCF && m != mDHT && m != mJPG && m != mDAC
}

// markers walks from marker to marker; entropy-coded data and garbage between segments are stepped over.
type markers struct {
	data []byte
	pos  int
	mark int // where the 0xFF of the last marker stands
}

// next returns the next marker and its segment's body without the length. SOI and EOI have no body. ok is false when the data
// end, be it inside a segment.
func (w *markers) next() (m byte, body []byte, ok bool) {
	for {
		i := bytes.IndexByte(w.data[w.pos:], 0xFF)
		if i < 0 {
			return 0, nil, false
		}
		w.mark = w.pos + i
		w.pos = w.mark + 1
		for w.pos < len(w.data) && w.data[w.pos] == 0xFF { // fill bytes
			w.mark = w.pos
			w.pos++
		}
		if w.pos == len(w.data) {
			return 0, nil, false
		}
		m = w.data[w.pos]
		w.pos++
		switch {
		case m == 0, m == mTEM, m >= mRST0 && m <= mRST7:
			continue // a stuffed 0xFF, or a marker inside a scan
		case m == mSOI, m == mEOI:
			return m, nil, true
		}
		rest := w.data[w.pos:]
		if len(rest) < 2 {
			return 0, nil, false
		}
		n := int(binary.BigEndian.Uint16(rest))
		if n < 2 || n > len(rest) {
			return 0, nil, false
		}
		w.pos += n
		return m, rest[2:n], true
	}
}

// tidyJPEG copies a JPEG file without what makes decoders warn although the picture is whole: garbage between segments, odd
// JFIF versions, metadata, wrong spectral bounds in sequential scans, a missing end marker.
//
// It exists because libjpeg reports only the first of its warnings. A harmless one at the top of a file would hide the one
// that says that half of the picture is missing. Whatever still warns after tidying is damaged.
//
// An end marker is only added where the decoder can tell whether something else is missing: in a sequential file that ends inside
// its only scan. A progressive file that lost its last scans is a valid, coarser picture, but not the one that was sent. whole is
// false if the file ends early in such a way.
func tidyJPEG(data []byte) (out []byte, whole bool) {
	out = append(make([]byte, 0, len(data)+2), 0xFF, mSOI)
	w := markers{data: data}
	progressive, components, scanned := false, 0, 0
	m, body, ok := w.next()
	for ok && m != mEOI {
		switch {
		case isSOF(m) && len(body) >= 6:
			progressive, components = m&3 == 2, int(body[5])
		case m == mSOS && len(body) >= 1:
			scanned += int(body[0])
		}
		keep := isSOF(m) || m == mDHT || m == mDAC || m == mDQT || m == mDRI || m == mSOS || m == mAPP14 ||
			m == mAPP0 && bytes.HasPrefix(body, []byte("JFIF\x00"))
		if keep {
			at := len(out)
			out = append(out, 0xFF, m, byte((len(body)+2)>>8), byte(len(body)+2))
			out = append(out, body...)
			mend(m, out[at+4:], progressive)
		}
		from := w.pos
		kind := m
		m, body, ok = w.next()
		if kind == mSOS { // its entropy-coded data run up to the next marker
			to := w.mark
			if !ok {
				to = len(data)
			}
			out = append(out, data[from:to]...)
		}
	}
	return append(out, 0xFF, mEOI), ok || !progressive && scanned == components
}

// mend corrects, in place, the fields whose wrong values decoders warn about and then ignore.
func mend(m byte, body []byte, progressive bool) {
	switch {
	case m == mAPP0 && len(body) >= 7:
		body[5], body[6] = 1, 1 // JFIF 1.01
	case m == mSOS && !progressive && len(body) >= 3:
		copy(body[len(body)-3:], []byte{0, 63, 0}) // all coefficients, in one go
	}
}
