package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// With libjpeg-turbo every picture equals Pillow's to the bit. Versions of libjpeg-turbo are allowed one step of difference,
// should one ever round in another way: the goldens come from the version named in goldens.json, machines have others.
func TestDecodeEqualsPillow(t *testing.T) {
	for _, c := range mustGoldens(t).Decode {
		t.Run(c.File, func(t *testing.T) {
			isJPEG := filepath.Ext(c.File) == ".jpg"
			if isJPEG {
				needTurbo(t)
			}
			got, want := mustDecode(t, c.File), mustPNG(t, "decoded/"+c.File+".png")
			if got.Width != want.Width || got.Height != want.Height {
				t.Fatalf("got %d x %d pixels; want %d x %d", got.Width, got.Height, want.Width, want.Height)
			}
			most, mean := distance(got.Pix, want.Pix)
			if most > 0 {
				t.Logf("differs from Pillow: most %d, mean %.4f", most, mean)
			}
			if most > 1 || (most > 0 && !isJPEG) {
				t.Errorf("differs from Pillow by up to %d, %.3f on average", most, mean)
			}
		})
	}
}

// Go's decoder repeats chroma instead of interpolating it, so edges of saturated colour differ; the mean stays small.
func TestDecodeWithGoIsNearPillow(t *testing.T) {
	for _, c := range mustGoldens(t).Decode {
		if filepath.Ext(c.File) != ".jpg" {
			continue
		}
		t.Run(c.File, func(t *testing.T) {
			data, want := mustRead(t, c.File), mustPNG(t, "decoded/"+c.File+".png")
			h, err := readJPEGHeader(data)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeJPEGGo(data)
			if err != nil {
				t.Fatal(err)
			}
			got = upright(got, h.orientation)
			if got.Width != want.Width || got.Height != want.Height {
				t.Fatalf("got %d x %d pixels; want %d x %d", got.Width, got.Height, want.Width, want.Height)
			}
			if _, mean := distance(got.Pix, want.Pix); mean > c.GoTolerance {
				t.Errorf("differs from Pillow by %.3f on average; want at most %v", mean, c.GoTolerance)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	f := func(data []byte, kind error, sentence string) {
		t.Helper()
		m, err := Decode(data, Limits{})
		if m != nil || !errors.Is(err, kind) {
			t.Errorf("Decode(%.20q…) = %v, %v; want an error of kind %q", data, m, err, kind)
			return
		}
		if !strings.Contains(err.Error(), sentence) {
			t.Errorf("Decode(%.20q…): got %q; want %q in it", data, err, sentence)
		}
	}
	f(nil, ErrEmpty, "no bytes")
	f([]byte("hello, I am text\n"), ErrNotImage, "this is text")
	f([]byte("BM Corporation, annual report"), ErrNotImage, "this is text")
	f([]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), ErrNotImage, "SVG is not supported")
	f([]byte("<!DOCTYPE html><html></html>"), ErrNotImage, "HTML page")
	f([]byte("%PDF-1.7\n\x00"), ErrNotImage, "PDF")
	f([]byte("\x00\x00\x00\x18ftypheic\x00\x00"), ErrNotImage, "HEIC is not supported; send JPEG")
	f([]byte("\x00\x01\x02\x03"), ErrNotImage, "no image format")
	f([]byte("\xff\xd8\xff"), ErrCorrupt, "the data ends early")
	f([]byte("\xff\xd8\xff\xd9"), ErrCorrupt, "no picture")
	f([]byte("GIF89a"), ErrCorrupt, "cannot decode GIF: the data ends early")
	f([]byte("RIFF\x10\x00\x00\x00WEBP"), ErrCorrupt, "cannot decode WebP")
	f([]byte("\x89PNG\r\n\x1a\n"), ErrCorrupt, "cannot decode PNG: the data ends early")

	damaged := bytes.Clone(mustRead(t, "rgb8.png"))
	damaged[len(damaged)/2] ^= 0x10
	f(damaged, ErrCorrupt, "cannot decode PNG")
}

// A picture that is cut anywhere is refused with all decoders, or is whole: there is no half a grey picture.
func TestDecodeRefusesTruncated(t *testing.T) {
	for _, c := range mustGoldens(t).Decode {
		data := mustRead(t, c.File)
		for cut := 1; cut < 20; cut++ {
			n := len(data) * cut / 20
			m, err := Decode(data[:n], Limits{})
			if err == nil {
				if want := mustDecode(t, c.File); !bytes.Equal(m.Pix, want.Pix) {
					t.Errorf("%s cut to %d of %d bytes decodes to another picture", c.File, n, len(data))
				}
			} else if kind := errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotImage); !kind {
				t.Errorf("%s cut to %d bytes: %v", c.File, n, err)
			}
		}
	}
}

func TestTruncatedJPEG(t *testing.T) {
	f := func(what string, data []byte) {
		t.Helper()
		if _, err := Decode(data, Limits{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v; want ErrCorrupt", what, err)
		}
		if _, err := decodeJPEGGo(data); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s with Go's decoder: got %v; want ErrCorrupt", what, err)
		}
	}
	whole := mustRead(t, "baseline_420.jpg")
	half := whole[:len(whole)*2/3]
	_, err := Decode(half, Limits{})
	if want := "cannot decode JPEG: the data ends early"; err == nil || err.Error() != want {
		t.Errorf("got %v; want %q", err, want)
	}
	f("cut", half)
	f("cut by ten bytes", whole[:len(whole)-10])
	f("cut and ended", append(bytes.Clone(half), 0xFF, mEOI))
	f("progressive", mustRead(t, "progressive_420.jpg")[:2000])
	// The harmless warning comes first and must not hide the other.
	noisy := mustRead(t, "garbage_between_segments.jpg")
	f("garbage, then cut", noisy[:len(noisy)*2/3])
}

// bomb returns a small file whose header announces 20,000 x 20,000 pixels.
func bomb(t testing.TB, file string, side int) []byte {
	t.Helper()
	data := bytes.Clone(mustRead(t, file))
	switch filepath.Ext(file) {
	case ".png":
		binary.BigEndian.PutUint32(data[16:], uint32(side))
		binary.BigEndian.PutUint32(data[20:], uint32(side))
		binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	case ".jpg":
		at := bytes.Index(data, []byte{0xFF, 0xC0})
		if at < 0 {
			at = bytes.Index(data, []byte{0xFF, 0xC2})
		}
		binary.BigEndian.PutUint16(data[at+5:], uint16(side))
		binary.BigEndian.PutUint16(data[at+7:], uint16(side))
	case ".gif":
		binary.LittleEndian.PutUint16(data[6:], uint16(side))
		binary.LittleEndian.PutUint16(data[8:], uint16(side))
	case ".bmp":
		binary.LittleEndian.PutUint32(data[18:], uint32(side))
		binary.LittleEndian.PutUint32(data[22:], uint32(side))
	case ".webp": // VP8L: 14 bits of width-1 and of height-1
		at := bytes.Index(data, []byte("VP8L")) + 9
		binary.LittleEndian.PutUint32(data[at:], uint32(side-1)|uint32(side-1)<<14)
	}
	return data
}

func TestHeaderBombsAreRefusedBeforeAllocation(t *testing.T) {
	f := func(file string, side int) {
		t.Helper()
		data := bomb(t, file, side)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := Decode(data, Limits{})
		runtime.ReadMemStats(&after)
		if m != nil || !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s of %d x %d: got %v; want ErrTooLarge", file, side, side, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s of %d x %d: %d bytes were allocated; want less than 1 MiB", file, side, side, got)
		}
	}
	f("rgb8.png", 20000)
	f("interlaced.png", 1<<31-1)
	f("baseline_420.jpg", 20000)
	f("progressive_420.jpg", 65535)
	f("still.gif", 20000)
	f("rgb24.bmp", 20000)
	f("palette8.bmp", 20000)
	f("lossless.webp", 16384)
}

// Within the limits too, a header that the file's length cannot live up to costs no memory.
func TestEmptyPromisesAreCheap(t *testing.T) {
	f := func(file string) {
		t.Helper()
		data := bomb(t, file, 8000)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(data, Limits{})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v; want ErrCorrupt", file, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d bytes were allocated; want less than 1 MiB", file, got)
		}
	}
	f("baseline_420.jpg")
	f("progressive_420.jpg")
	f("rgb24.bmp")
	f("mono1.bmp")
}

func TestLimitsAreInclusive(t *testing.T) {
	data := mustRead(t, "rgb8.png") // 37 x 29
	if _, err := Decode(data, Limits{MaxPixels: 37 * 29}); err != nil {
		t.Errorf("exactly at the limit: %v", err)
	}
	if _, err := Decode(data, Limits{MaxPixels: 37*29 - 1}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one pixel over the limit: got %v; want ErrTooLarge", err)
	}
}

// A progressive file may repeat empty scans; each costs a walk over all pixels.
func TestManyScansAreRefused(t *testing.T) {
	data := mustRead(t, "progressive_420.jpg")
	sos := bytes.LastIndex(data, []byte{0xFF, mSOS})
	scan := data[sos : len(data)-2]
	many := bytes.Clone(data[:len(data)-2])
	for range 600 {
		many = append(many, scan...)
	}
	many = append(many, 0xFF, mEOI)
	if _, err := Decode(many, Limits{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v; want ErrTooLarge", err)
	}
}

func TestDecodeManyAtOnce(t *testing.T) {
	cases := mustGoldens(t).Decode
	want := map[string]*Image{}
	for _, c := range cases {
		want[c.File] = mustDecode(t, c.File)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, c := range cases {
				data, err := os.ReadFile(filepath.Join("testdata", c.File))
				if err != nil {
					t.Error(err)
					return
				}
				m, err := Decode(data, Limits{})
				if err != nil || !bytes.Equal(m.Pix, want[c.File].Pix) {
					t.Errorf("%s decodes differently beside others: %v", c.File, err)
				}
				m.Release()
			}
		})
	}
	wg.Wait()
}

func TestEXIFOrientation(t *testing.T) {
	f := func(block string, want int) {
		t.Helper()
		if got := exifOrientation([]byte(block)); got != want {
			t.Errorf("exifOrientation(%q) = %d; want %d", block, got, want)
		}
	}
	little := "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00"
	f(little+"\x06\x00\x00\x00\x00\x00\x00\x00", 6)
	f("Exif\x00\x00"+little+"\x03\x00\x00\x00", 3)
	f("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00", 8)
	f("", 1)
	f("II*\x00", 1)
	f("II*\x00\xff\xff\xff\xff\x01\x00", 1)
	f(little, 1)
	f(little+"\x00\x00\x00\x00", 1)
	f(little+"\x09\x00\x00\x00", 1)
	f("XX"+little[2:]+"\x06\x00\x00\x00", 1)
	f(strings.Replace(little, "\x01\x00\x12", "\xff\xff\x12", 1)+"\x05\x00\x00\x00", 5)
}

func TestPoolHandsOutTheRightSizes(t *testing.T) {
	for _, n := range []int{0, 1, 1365, 1366, 4096, 5000, 65536, 99999, 1 << 20, 21 << 20, 30 << 20} {
		m := Acquire(n, 1)
		if m.Width != n || m.Height != 1 || len(m.Pix) != n*3 {
			t.Errorf("Acquire(%d, 1): got %d x %d in %d bytes", n, m.Width, m.Height, len(m.Pix))
		}
		if c := cap(m.Pix); c > 4096 && c > n*3*5/4 {
			t.Errorf("Acquire(%d, 1) took %d bytes for %d", n, c, n*3)
		}
		m.Release()
		if len(m.Pix) != 0 {
			t.Errorf("a released image still has %d bytes", len(m.Pix))
		}
		m.Release() // a second time does nothing
	}
	(*Image)(nil).Release()
	foreign := &Image{Width: 3000, Height: 1, Pix: make([]byte, 9000)}
	foreign.Release() // is recycled as a smaller class, not as one it does not fill
	for range 4 {
		if m := Acquire(2900, 1); cap(m.Pix) < 2900*3 {
			t.Errorf("Acquire(2900, 1) got %d bytes", cap(m.Pix))
		}
	}
}
