package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What a picture takes is given back with its pixels, and at once when it cannot be decoded.
func TestMemoryIsGivenBack(t *testing.T) {
	m := NewMemory(64 << 20)
	lim := Limits{Memory: m}
	f := func(name string, data []byte) {
		t.Helper()
		for _, side := range []int{0, 20, 40} { // whole, and drafts of odd sides
			img, err := DecodeDraft(data, lim, side)
			if err != nil {
				if m.Used() != 0 {
					t.Fatalf("%s: %d bytes are held after %v", name, m.Used(), err)
				}
				return
			}
			if least := int64(3 * img.Width * img.Height); m.Used() < least {
				t.Errorf("%s: %d bytes are held for pixels of %d", name, m.Used(), least)
			}
			img.Release()
			img.Release()
			if m.Used() != 0 {
				t.Fatalf("%s: %d bytes are held after Release", name, m.Used())
			}
		}
	}
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f(file, data)
		f(file+", cut short", data[:len(data)/2])
	}
}

// A picture that takes more than there is at all is refused by its header.
func TestMemoryRefusesWhatNeverFits(t *testing.T) {
	data := encoded(t, 800, 600)
	lim := Limits{Memory: NewMemory(1 << 20)}
	for name, d := range data {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(d, lim)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: %d bytes were allocated to refuse it", name, took)
		}
	}
}

// encoded are pictures of one size in the formats that Go writes.
func encoded(t testing.TB, width, height int) map[string][]byte {
	t.Helper()
	src := image.NewPaletted(image.Rect(0, 0, width, height), palette.Plan9)
	for i := range src.Pix {
		src.Pix[i] = byte(i / 7)
	}
	deep := image.NewRGBA64(src.Rect)
	out := map[string][]byte{}
	for name, encode := range map[string]func(b *bytes.Buffer) error{
		"GIF":        func(b *bytes.Buffer) error { return gif.Encode(b, src, nil) },
		"PNG":        func(b *bytes.Buffer) error { return png.Encode(b, src) },
		"16-bit PNG": func(b *bytes.Buffer) error { return png.Encode(b, deep) },
		"JPEG":       func(b *bytes.Buffer) error { return jpeg.Encode(b, src, nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		out[name] = b.Bytes()
	}
	return out
}

// What Go's decoders allocate is no more than what was taken for it. (What libjpeg-turbo takes, Go cannot see.)
func TestMemoryCoversTheDecoders(t *testing.T) {
	m := NewMemory(1 << 30)
	for name, d := range encoded(t, 700, 500) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		img, err := Decode(d, Limits{Memory: m})
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		took, held := int64(after.TotalAlloc-before.TotalAlloc), m.Used()
		img.Release()
		if took > held+held/8+1<<18 { // pooled pixels are of the next size class
			t.Errorf("%s: %d bytes were allocated and %d taken", name, took, held)
		}
	}
}

// Who finds too little free waits for it, and those who wait have their turn in the order of coming.
func TestMemoryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lim := Limits{Memory: NewMemory(100)}
		first, err := lim.take("PNG", 60)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []int64
		var wg sync.WaitGroup
		for _, n := range []int64{50, 40, 30} {
			wg.Go(func() {
				h, err := lim.take("PNG", n)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, n)
				mu.Unlock()
				time.Sleep(time.Second)
				h.release()
			})
			synctest.Wait()
		}
		if len(order) != 0 {
			t.Errorf("%v did not wait", order)
		}
		first.release()
		wg.Wait()
		if len(order) != 3 || order[2] != 30 || lim.Memory.Used() != 0 {
			t.Errorf("the order is %v, and %d bytes are held", order, lim.Memory.Used())
		}
	})
}

// A few bytes that claim to be a large PNG are found out by what deflate can pack.
func TestPNGThatClaimsTooMuch(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	d := b.Bytes()
	d[16], d[17], d[18], d[19] = 0, 0, 31, 64 // 8000 × 8000
	d[20], d[21], d[22], d[23] = 0, 0, 31, 64
	binary.BigEndian.PutUint32(d[29:], crc32.ChecksumIEEE(d[12:29]))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Decode(d, Limits{})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrCorrupt) || took > 1<<20 {
		t.Errorf("got %v after %d bytes", err, took)
	}
}

// Pixels go where they are wanted, where they fit, and that memory is not put into the pool.
func TestInto(t *testing.T) {
	needTurbo(t)
	f := func(name string, size int, there bool) {
		t.Helper()
		into := make([]byte, size)
		want := mustDecode(t, name)
		m, err := Decode(mustRead(t, name), Limits{Into: into})
		if err != nil || !bytes.Equal(m.Pix, want.Pix) || (&m.Pix[0] == &into[0]) != there {
			t.Errorf("%s in %d bytes: %v, or other pixels, or elsewhere", name, size, err)
		}
		class := classSize(classBelow(max(cap(m.Pix), classSize(0))))
		m.Release()
		if again := Acquire(1, class/3); &again.Pix[0] == &into[0] {
			t.Errorf("%s: the pool has the memory of somebody else", name)
		}
	}
	f("baseline_420.jpg", 1<<20, true)
	f("baseline_420.jpg", 99*67*3, true)
	f("baseline_420.jpg", 99*67*3-1, false)
	f("exif_6.jpg", 1<<20, false) // it is turned
	f("rgb8.png", 1<<20, false)
}
