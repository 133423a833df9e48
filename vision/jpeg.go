package vision

import (
	"bytes"
	"errors"
	"image/jpeg"
	"os"
	"strings"
	"sync"

	"github.com/torchlit/torchlit/vision/internal/turbojpeg"
)

// turbo opens libjpeg-turbo once, at the first picture or the first question about it, so that importing this package costs
// nothing. TORCHLIT_JPEG=go leaves it closed: to measure the difference, and to test the fallback where the library is found.
var turbo = sync.OnceValues(func() (*turbojpeg.Library, error) {
	if os.Getenv("TORCHLIT_JPEG") == "go" {
		return nil, errForcedGo
	}
	return turbojpeg.Open()
})

var errForcedGo = errors.New("asked for by TORCHLIT_JPEG=go")

// JPEGBackend says what decodes JPEG in this process, and, when that is the slower decoder, what to install. It is made for a
// start-up log line and for `torchlit doctor`.
func JPEGBackend() string {
	lib, err := turbo()
	if err != nil {
		return "Go image/jpeg (about four times slower, and not equal to Pillow in subsampled colour): " + err.Error()
	}
	return lib.String()
}

// HasTurboJPEG tells whether libjpeg-turbo was found, for callers that warn or for tests that need it.
func HasTurboJPEG() bool {
	_, err := turbo()
	return err == nil
}

// maxScans bounds the work hidden in a progressive file, where each scan of a few bytes makes a decoder walk over all pixels.
// Real encoders write about ten scans. A picture of full size may have 32; smaller ones more in proportion, up to 500,
// where libjpeg-turbo itself stops.
func maxScans(lim Limits, pixels int) int {
	return min(500, max(32, 32*(lim.maxPixels()/pixels)))
}

// maxPixelsPerByte: Huffman codes have at least one bit, and every block of 64 pixels has a code of its own, so a byte stands for 512
// pixels at most. A short file with a large header is found out before memory is taken for it.
const maxPixelsPerByte = 8 * 64

// draftScale is by what a picture may be shrunk while both sides keep at least side pixels: 1, 2, 4 or 8, what the inverse DCT
// of libjpeg can do by leaving out high frequencies.
func draftScale(width, height, side int) int {
	scale := 1
	for side > 0 && scale < 8 && min(width, height)/(2*scale) >= side {
		scale *= 2
	}
	return scale
}

func decodeJPEG(data []byte, lim Limits, draft func(width, height int) int) (*Image, error) {
	h, err := readJPEGHeader(data)
	if err != nil {
		return nil, err
	}
	if err := lim.check("JPEG", h.width, h.height); err != nil {
		return nil, err
	}
	if most := maxScans(lim, h.width*h.height); h.scans > most {
		return nil, &decodeError{ErrTooLarge, "cannot decode JPEG: its pixels are spread over too many scans"}
	}
	if h.huffman && len(data) < h.width*h.height/maxPixelsPerByte {
		return nil, corrupt("JPEG", endsEarly)
	}
	scale := draft(h.upright())
	for h.orientation > 1 && (h.width%scale != 0 || h.height%scale != 0) {
		scale /= 2 // the last column or row, part of which stands for nothing, would become the first one
	}
	held, err := lim.take("JPEG", h.memory(scale))
	if err != nil {
		return nil, err
	}
	return held.end(decodeJPEGScaled(data, h, scale, lim))
}

// memory is how many bytes it takes to decode the picture at scale times less than its sides: the pixels, and what comes before them.
func (h *jpegHeader) memory(scale int) int64 {
	whole := int64(h.width) * int64(h.height)
	part := int64((h.width+scale-1)/scale) * int64((h.height+scale-1)/scale)
	n := 3 * part
	if h.components == 4 {
		n += 4 * part
	}
	if h.buffered {
		n += 2 * int64(h.components) * whole
	}
	if h.orientation > 1 {
		n += 3 * part
	}
	if !HasTurboJPEG() {
		n += 3 * whole
	}
	return n
}

func decodeJPEGScaled(data []byte, h jpegHeader, scale int, lim Limits) (m *Image, err error) {
	extentWidth, extentHeight := float64(h.width)/float64(scale), float64(h.height)/float64(scale)
	if lib, libErr := turbo(); libErr == nil {
		h.width, h.height = (h.width+scale-1)/scale, (h.height+scale-1)/scale
		m, err = decodeJPEGTurbo(lib, data, h, lim)
	} else if m, err = decodeJPEGGo(data); err == nil && scale > 1 {
		whole := m
		m = whole.boxed(scale)
		whole.Release()
	}
	if err != nil {
		return nil, err
	}
	m.SetExtent(extentWidth, extentHeight)
	return upright(m, h.orientation), nil
}

// decodeJPEGTurbo decodes straight into the memory where the pixels stay.
//
// Warnings are the delicate part: libjpeg paints what it could not read grey, and warns. See tidyJPEG for why a warning leads
// to a second decode, of a tidied copy. Whole files, the common case, are decoded once and not copied.
func decodeJPEGTurbo(lib *turbojpeg.Library, data []byte, h jpegHeader, lim Limits) (*Image, error) {
	m := lim.acquire(h.width, h.height)
	warning, err := turboPixels(lib, m, data, h)
	if err == nil && warning != "" && !harmless(warning) {
		if tidy, whole := tidyJPEG(data); whole {
			warning, err = turboPixels(lib, m, tidy, h)
		}
	}
	if err == nil && (warning == "" || harmless(warning)) {
		return m, nil
	}
	m.Release()
	if err != nil {
		return nil, corrupt("JPEG", "%s", lower(err.Error()))
	}
	if strings.Contains(warning, "remature end of") {
		return nil, corrupt("JPEG", endsEarly)
	}
	return nil, corrupt("JPEG", "%s", lower(warning))
}

// harmless: bytes left over before the end marker, as many webcams write them. All pixels were read, and nothing comes after
// the marker, so no later warning can hide behind this one.
func harmless(warning string) bool {
	return strings.HasSuffix(warning, "extraneous bytes before marker 0xd9")
}

func turboPixels(lib *turbojpeg.Library, m *Image, data []byte, h jpegHeader) (warning string, err error) {
	if h.components != 4 {
		return lib.DecodeRGB(m.Pix, data, h.width, h.height)
	}
	cmyk := Acquire(h.width, (h.height*4+2)/3) // four bytes a pixel out of memory measured in three
	defer cmyk.Release()
	ink := cmyk.Pix[:h.width*h.height*4]
	if warning, err = lib.DecodeCMYK(ink, data, h.width, h.height); err == nil {
		cmykToRGB(m.Pix, ink, true)
	}
	return warning, err
}

// decodeJPEGGo is the fallback. Go's decoder knows no warnings: what it cannot read is an error, and a missing end marker too,
// which a tidied copy cures.
func decodeJPEGGo(data []byte) (*Image, error) {
	src, err := jpeg.Decode(bytes.NewReader(data))
	if err == nil {
		return FromImage(src), nil
	}
	if tidy, whole := tidyJPEG(data); whole {
		if src, err := jpeg.Decode(bytes.NewReader(tidy)); err == nil {
			return FromImage(src), nil
		}
	}
	if strings.Contains(err.Error(), "short Huffman data") {
		return nil, corrupt("JPEG", endsEarly)
	}
	return nil, corruptBy("JPEG", err)
}

// boxed is the picture with each square of scale×scale pixels become their mean: nearly what libjpeg's smaller inverse DCT gives.
func (m *Image) boxed(scale int) *Image {
	out := Acquire((m.Width+scale-1)/scale, (m.Height+scale-1)/scale)
	for y := range out.Height {
		row := out.row(y)
		top, bottom := y*scale, min((y+1)*scale, m.Height)
		for x := range out.Width {
			left, right := x*scale, min((x+1)*scale, m.Width)
			var sum [3]int
			for sy := top; sy < bottom; sy++ {
				line := m.row(sy)[3*left : 3*right]
				for i := 0; i < len(line); i += 3 {
					sum[0] += int(line[i])
					sum[1] += int(line[i+1])
					sum[2] += int(line[i+2])
				}
			}
			n := (bottom - top) * (right - left)
			for c := range sum {
				row[3*x+c] = byte((sum[c] + n/2) / n)
			}
		}
	}
	return out
}

// lower makes libjpeg's sentences continue ours, unless they begin with a name such as JPEG or DNL.
func lower(text string) string {
	if len(text) > 1 && text[1] >= 'a' {
		return strings.ToLower(text[:1]) + text[1:]
	}
	return text
}
