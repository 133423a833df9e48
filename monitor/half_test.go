package monitor

import (
	"math"
	"testing"
)

// TestHalf goes over all 65,536 values, and over what lies between them: each float32 becomes the nearest, and of two equally near the even one.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		f := single(uint16(h))
		if f != f {
			if g := half(f); g&0x7fff <= 0x7c00 {
				t.Fatalf("%#04x is no number, and became %#04x", h, g)
			}
			continue
		}
		if g := half(f); g != uint16(h) {
			t.Fatalf("%#04x is %v, which became %#04x", h, f, g)
		}
		if next := h + 1; h&0x7fff < 0x7bff {
			g := single(uint16(next))
			middle := float32((float64(f) + float64(g)) / 2)
			even := uint16(h + h&1)
			toF := math.Nextafter32(middle, f)
			toG := math.Nextafter32(middle, g)
			if half(middle) != even || half(toF) != uint16(h) || half(toG) != uint16(next) {
				t.Fatalf("between %v and %v: %#04x %#04x %#04x", f, g, half(toF), half(middle), half(toG))
			}
		}
	}
	for f, want := range map[float32]uint16{65519: 0x7bff, 65520: 0x7c00, 1e30: 0x7c00, -1e30: 0xfc00, 1e-30: 0, 0x1p-24: 1, 0x1p-25: 0, 0x1.000002p-25: 1} {
		if got := half(f); got != want {
			t.Errorf("%v became %#04x; want %#04x", f, got, want)
		}
	}
}
