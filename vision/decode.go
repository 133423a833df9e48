package vision

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What can be wrong with an upload. Decode's errors wrap exactly one of these; their text is a sentence fit to be shown to
// whoever sent the bytes.
var (
	ErrEmpty    = errors.New("the image is empty")            // no bytes at all
	ErrNotImage = errors.New("this is not a supported image") // the first bytes are of no format that Decode reads
	ErrTooLarge = errors.New("the image is too large")        // the header announces more than Limits allow
	ErrCorrupt  = errors.New("the image cannot be decoded")   // damaged, cut short, or of a rare kind that we do not read
)

// DefaultMaxPixels is what Limits{} stands for: 64 Mpx, above any phone's or camera's photo, 192 MB once decoded.
const DefaultMaxPixels = 64 << 20

// Limits bound what one call of Decode may cost. They are compared with the header before anything is allocated.
type Limits struct {
	// MaxPixels is the largest width times height; 0 means DefaultMaxPixels.
	//
	// Memory in use while decoding, in bytes a pixel: JPEG 3 (progressive up to 9, CMYK 7), PNG 7 (16-bit 11), GIF and
	// palette images 4, WebP 5 to 7, BMP 7.
	MaxPixels int

	// Memory bounds what all who share it take together, for the time from Decode to Release, which must follow then. A picture
	// that would take more than all of it is ErrTooLarge. nil is no bound.
	Memory *Memory

	// Into is where the pixels may be put, if they fit: mostly they are then, and always they may be elsewhere. It is the caller's, who
	// uses it for one picture at a time. nil leaves it to the pool.
	Into []byte
}

// acquire is Acquire, in lim.Into where that is large enough.
func (lim Limits) acquire(width, height int) *Image {
	if n := width * height * 3; n <= len(lim.Into) {
		return &Image{Width: width, Height: height, Pix: lim.Into[:n:n], lent: true}
	}
	return Acquire(width, height)
}

// Decode reads a JPEG, PNG, GIF (its first frame), WebP (its first frame) or BMP picture. The format is found by content, never
// by name. EXIF orientation is applied, so that the result is upright.
//
// Pixels equal Pillow's ImageOps.exif_transpose(Image.open(f)).convert("RGB") with these differences, all on purpose:
// 16-bit grey keeps its high byte (Pillow clips at 255, which makes such pictures white); damaged files are refused where
// Pillow may return a half grey picture; and without libjpeg-turbo (see JPEGBackend) JPEG chroma is repeated, not interpolated.
//
// The result's memory is pooled: call Release when done with it, or leave it to the garbage collector. data is not retained.
// Decode may be called from any number of goroutines; errors wrap ErrEmpty, ErrNotImage, ErrTooLarge or ErrCorrupt.
func Decode(data []byte, lim Limits) (*Image, error) { return DecodeDraft(data, lim, 0) }

// DecodeDraft is Decode for whoever will shrink the picture anyway: a JPEG whose sides are both at least 2, 4 or 8 times side is
// decoded at a half, a quarter or an eighth of its size (sides rounded up), which takes a fraction of the time and memory.
// Its pixels are then those of Pillow's Image.draft. Side 0, and other formats, give the whole picture.
func DecodeDraft(data []byte, lim Limits, side int) (*Image, error) {
	return decode(data, lim, func(width, height int) int { return draftScale(width, height, side) })
}

// decode reads a picture. draft says of a JPEG of so many pixels, upright, by what it may be shrunk: 1, 2, 4 or 8. It is asked at most
// once, before memory is taken.
func decode(data []byte, lim Limits, draft func(width, height int) int) (*Image, error) {
	if len(data) == 0 {
		return nil, &decodeError{ErrEmpty, "cannot decode the image: it has no bytes"}
	}
	switch format := sniff(data); format {
	case "JPEG":
		return decodeJPEG(data, lim, draft)
	case "PNG":
		return decodePNG(data, lim)
	case "GIF":
		return decodeGIF(data, lim)
	case "WebP":
		return decodeWebP(data, lim)
	case "BMP":
		return decodeBMP(data, lim)
	default:
		return nil, &decodeError{ErrNotImage, "cannot decode the image: " + guess(data) + "; send JPEG, PNG, GIF, WebP or BMP"}
	}
}

// sniff names the format by its magic bytes, or returns "".
func sniff(data []byte) string {
	has := func(prefix string) bool { return bytes.HasPrefix(data, []byte(prefix)) }
	switch {
	case has("\xff\xd8\xff"):
		return "JPEG"
	case has("\x89PNG\r\n\x1a\n"):
		return "PNG"
	case has("GIF87a"), has("GIF89a"):
		return "GIF"
	case has("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return "WebP"
	case has("BM") && len(data) >= 18 && isBMPHeader(data):
		return "BMP"
	}
	return ""
}

// guess says what the bytes are instead, for the kinds that people do send by mistake.
func guess(data []byte) string {
	for _, k := range [...]struct {
		offset      int
		magic, kind string
	}{
		{4, "ftypavif", "AVIF is not supported"},
		{4, "ftyphei", "HEIC is not supported"},
		{4, "ftypmif1", "HEIC is not supported"},
		{4, "ftyp", "this is a video"},
		{0, "II*\x00", "TIFF is not supported"},
		{0, "MM\x00*", "TIFF is not supported"},
		{0, "\xff\x0a", "JPEG XL is not supported"},
		{0, "\x00\x00\x00\x0cJXL ", "JPEG XL is not supported"},
		{0, "\x00\x00\x00\x0cjP  ", "JPEG 2000 is not supported"},
		{0, "%PDF", "this is a PDF document"},
		{0, "PK\x03\x04", "this is a ZIP archive"},
		{0, "\x1f\x8b", "this is a gzip archive"},
	} {
		if len(data) >= k.offset && bytes.HasPrefix(data[k.offset:], []byte(k.magic)) {
			return k.kind
		}
	}
	head := bytes.ToLower(data[:min(len(data), 512)])
	switch {
	case bytes.Contains(head, []byte("<svg")):
		return "SVG is not supported"
	case bytes.Contains(head, []byte("<html")), bytes.Contains(head, []byte("<!doctype html")):
		return "this is an HTML page"
	case !bytes.ContainsFunc(head, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }):
		return "this is text"
	}
	return "these bytes are no image format that is known here"
}

// check compares what a header announces with the limits.
func (lim Limits) check(format string, width, height int) error {
	if width <= 0 || height <= 0 {
		return corrupt(format, "the header says %d x %d pixels", width, height)
	}
	if most := lim.maxPixels(); width > most/height {
		return &decodeError{ErrTooLarge, fmt.Sprintf("cannot decode %s: %d x %d pixels are more than the limit of %d", format, width, height, most)}
	}
	return nil
}

func (lim Limits) maxPixels() int {
	if lim.MaxPixels <= 0 {
		return DefaultMaxPixels
	}
	return lim.MaxPixels
}

// decodeError is a sentence for people and a sentinel for programs.
type decodeError struct {
	kind error
	text string
}

func (e *decodeError) Error() string { return e.text }
func (e *decodeError) Unwrap() error { return e.kind }

func corrupt(format, why string, args ...any) error {
	return &decodeError{ErrCorrupt, "cannot decode " + format + ": " + fmt.Sprintf(why, args...)}
}

const endsEarly = "the data ends early"

// corruptBy turns a codec's error into ours. Some codecs hide an EOF in their text, all begin with their own name.
func corruptBy(format string, err error) error {
	text := err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.HasSuffix(text, "EOF") {
		return corrupt(format, endsEarly)
	}
	text = strings.TrimPrefix(text, strings.ToLower(format)+": ")
	return corrupt(format, "%s", strings.TrimPrefix(text, "invalid "+format+" format: ")) // image/jpeg, after a sentence that says so
}
