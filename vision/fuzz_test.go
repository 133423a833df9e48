package vision

import (
	"errors"
	"testing"
)

// FuzzDecode wants no panic, no picture beyond the limit, and one of the four kinds for every error. Its seeds are the goldens and
// the header bombs.
func FuzzDecode(f *testing.F) {
	for _, c := range mustGoldens(f).Decode {
		f.Add(mustRead(f, c.File))
	}
	for _, file := range []string{"rgb8.png", "baseline_420.jpg", "progressive_420.jpg", "still.gif", "rgb24.bmp", "lossless.webp"} {
		f.Add(bomb(f, file, 20000))
	}
	lim := Limits{MaxPixels: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data, lim)
		if err != nil {
			kinds := 0
			for _, kind := range []error{ErrEmpty, ErrNotImage, ErrTooLarge, ErrCorrupt} {
				if errors.Is(err, kind) {
					kinds++
				}
			}
			if kinds != 1 || m != nil {
				t.Fatalf("got %v and an error of %d kinds: %v", m, kinds, err)
			}
			return
		}
		if m.Width <= 0 || m.Height <= 0 || m.Width*m.Height > lim.MaxPixels || len(m.Pix) != m.Width*m.Height*3 {
			t.Fatalf("got %d x %d pixels in %d bytes", m.Width, m.Height, len(m.Pix))
		}
		p := Preprocess{Width: 16, Height: 16, Std: [3]float32{1, 1, 1}}
		if err := p.Apply(m, PillowResizer, make([]byte, p.Size())); err != nil {
			t.Fatal(err)
		}
		m.Release()
	})
}
