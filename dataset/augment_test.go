package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// padded returns pixel (y, x) of the image with its border, the slow way.
func padded(src []byte, height, width, y, x int, reflected bool) []byte {
	if reflected {
		mirror := func(i, n int) int {
			if i < 0 {
				return -i
			}
			if i >= n {
				return 2*n - 2 - i
			}
			return i
		}
		y, x = mirror(y, height), mirror(x, width)
	}
	if y < 0 || y >= height || x < 0 || x >= width {
		return []byte{0, 0, 0}
	}
	return src[(y*width+x)*3:][:3]
}

// TestAugmentIsSomeCrop: every result is the plain crop, flipped or not, of
// exactly one offset, and over many draws all offsets and both flips occur.
func TestAugmentIsSomeCrop(t *testing.T) {
	const height, width = 5, 7
	f := func(a Augment) {
		t.Helper()
		require.NoError(t, a.Validate(height, width))
		src := noise(1, height, width).Image(0)
		type view struct {
			dy, dx int
			flip   bool
		}
		known := map[string]view{}
		for dy := -a.Pad; dy <= a.Pad; dy++ {
			for dx := -a.Pad; dx <= a.Pad; dx++ {
				var plain, mirrored []byte
				for y := range height {
					for x := range width {
						plain = append(plain, padded(src, height, width, y+dy, x+dx, a.Reflect)...)
						mirrored = append(mirrored, padded(src, height, width, y+dy, width-1-x+dx, a.Reflect)...)
					}
				}
				known[string(plain)] = view{dy, dx, false}
				if a.Flip {
					known[string(mirrored)] = view{dy, dx, true}
				}
			}
		}
		seen := map[view]bool{}
		dst := make([]byte, len(src))
		for i := range 3000 {
			for j := range dst {
				dst[j] = 0xAA // what a reused buffer may hold
			}
			a.Apply(dst, &vision.Image{Width: width, Height: height, Pix: src}, Key{Seed: 1, Index: i})
			v, ok := known[string(dst)]
			require.True(t, ok, "the result is no crop of the image")
			seen[v] = true
		}
		require.Len(t, seen, len(known))
	}
	f(Augment{})
	f(Augment{Flip: true})
	f(Augment{Pad: 1})
	f(Augment{Pad: 4, Flip: true})
	f(Augment{Pad: 4, Reflect: true, Flip: true})
}

func TestAugmentCutout(t *testing.T) {
	const side = 8
	a := Augment{Cutout: 4, CutoutFill: [3]byte{1, 2, 3}}
	src := bytes.Repeat([]byte{200}, side*side*3)
	dst := make([]byte, len(src))
	areas := map[int]bool{}
	for i := range 500 {
		a.Apply(dst, &vision.Image{Width: side, Height: side, Pix: src}, Key{Seed: 1, Index: i})
		painted := 0
		for p := range side * side {
			switch pixel := dst[3*p : 3*p+3]; {
			case bytes.Equal(pixel, []byte{1, 2, 3}):
				painted++
			case !bytes.Equal(pixel, []byte{200, 200, 200}):
				t.Fatalf("pixel %d is %v", p, pixel)
			}
		}
		areas[painted] = true
	}
	require.True(t, areas[16], "whole squares occur")
	require.True(t, areas[4], "squares cut at the corner occur")
	require.False(t, areas[0])
	require.LessOrEqual(t, len(areas), 9)
}

// TestAugmentGolden: what an epoch shows may not change with a Go release or
// a refactoring, or a resumed run is another run.
func TestAugmentGolden(t *testing.T) {
	f := func(a Augment, seed uint64, epoch int, want string) {
		t.Helper()
		s := noise(64, 32, 32)
		digest, dst := sha256.New(), make([]byte, s.imageLen())
		for i := range s.Len() {
			src := s.view(i)
			a.Apply(dst, &src, Key{Seed: seed, Epoch: epoch, Index: i})
			digest.Write(dst)
		}
		require.Equal(t, want, hex.EncodeToString(digest.Sum(nil))[:16])
	}
	full := Augment{Pad: 4, Flip: true, Cutout: 8}
	f(Augment{}, 0, 0, "4c3f72e2773da561")
	f(full, 0, 0, "17228eeb4c346f38")
	f(full, 0, 1, "90d20d2d434907db")
	f(full, 1, 0, "7306f633712bbb2c")
	f(Augment{Pad: 4, Reflect: true, Flip: true}, 0, 0, "ffd3a285985ee92b")
}

func TestAugmentValidate(t *testing.T) {
	f := func(a Augment, want string) {
		t.Helper()
		err := a.Validate(8, 16)
		if want == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, want)
	}
	f(Augment{Pad: 8, Cutout: 100}, "")
	f(Augment{Pad: 7, Reflect: true}, "")
	f(Augment{Pad: 9}, "use a smaller pad")
	f(Augment{Pad: 8, Reflect: true}, "use a smaller pad")
	f(Augment{Pad: -1}, "negative")
	f(Augment{Cutout: -1}, "negative")
}

func TestAugmentAllocatesNothing(t *testing.T) {
	s := noise(1, 32, 32)
	dst := make([]byte, s.imageLen())
	a := &Augment{Pad: 4, Flip: true, Cutout: 8}
	src := s.view(0)
	require.Zero(t, testing.AllocsPerRun(100, func() { a.Apply(dst, &src, Key{Seed: 1, Epoch: 2, Index: 3}) }))
}
