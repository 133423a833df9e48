package imageops

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

func noise(width, height int) *vision.Image {
	r := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	m := blank(width, height)
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32())
	}
	return m
}

// every lists each operation with parameters that suit pictures of any size.
var every = map[string]func(*vision.Image){
	"invert":        Invert,
	"posterize":     func(m *vision.Image) { Posterize(m, 3) },
	"solarize":      func(m *vision.Image) { Solarize(m, 100) },
	"solarize_add":  func(m *vision.Image) { SolarizeAdd(m, 50, 128) },
	"autocontrast":  AutoContrast,
	"equalize":      Equalize,
	"grayscale":     Grayscale,
	"brightness":    func(m *vision.Image) { Brightness(m, 1.4) },
	"contrast":      func(m *vision.Image) { Contrast(m, 1.4) },
	"color":         func(m *vision.Image) { Color(m, 1.4) },
	"sharpness":     func(m *vision.Image) { Sharpness(m, 1.4) },
	"hue":           func(m *vision.Image) { Hue(m, 0.1) },
	"gaussian_blur": func(m *vision.Image) { GaussianBlur(m, 1.5) },
	"nearest":       func(m *vision.Image) { Rotate(m, 20, Nearest, [3]byte{1, 2, 3}) },
	"bilinear":      func(m *vision.Image) { Rotate(m, 20, Bilinear, [3]byte{1, 2, 3}) },
	"bicubic":       func(m *vision.Image) { Rotate(m, 20, Bicubic, [3]byte{1, 2, 3}) },
	"flips":         func(m *vision.Image) { FlipHorizontal(m); FlipVertical(m) },
}

// TestSmallestPictures: nothing is too small, nothing is written beyond the pixels.
func TestSmallestPictures(t *testing.T) {
	for name, do := range every {
		for _, side := range [][2]int{{0, 0}, {1, 1}, {1, 5}, {5, 1}, {2, 2}, {3, 3}} {
			m := noise(side[0], side[1])
			guard := append(bytes.Clone(m.Pix), 0x77, 0x77, 0x77)
			m.Pix = guard[:len(m.Pix)]
			do(m)
			require.Equal(t, []byte{0x77, 0x77, 0x77}, guard[len(m.Pix):], name)
		}
	}
}

// TestInverses: what is done twice, or turned back, is undone.
func TestInverses(t *testing.T) {
	f := func(side int, do func(*vision.Image)) {
		t.Helper()
		m := noise(side, side)
		want := bytes.Clone(m.Pix)
		do(m)
		require.NotEqual(t, want, m.Pix)
		do(m)
		require.Equal(t, want, m.Pix)
	}
	f(7, Invert)
	f(8, FlipHorizontal)
	f(9, FlipVertical)
	for _, filter := range []Filter{Nearest, Bilinear, Bicubic} {
		f(9, func(m *vision.Image) { Rotate(m, 180, filter, [3]byte{}) })
		f(8, func(m *vision.Image) { Rotate(m, 90, filter, [3]byte{}); Rotate(m, 90, filter, [3]byte{}) })
	}
}

// TestPosterizeNothing: Pillow refuses to keep no bits; timm's recipes may ask for it.
func TestPosterizeNothing(t *testing.T) {
	m := noise(4, 4)
	Posterize(m, 0)
	require.Equal(t, make([]byte, 48), m.Pix)
}

// TestWindowFarAway: a mirrored picture goes on for ever.
func TestWindowFarAway(t *testing.T) {
	f := func(p Padding, left int, want string) {
		t.Helper()
		src := &vision.Image{Width: 3, Height: 1, Pix: []byte("aaabbbccc")}
		dst := blank(9, 1)
		Window(dst, src, 0, left, p, [3]byte{'.', '.', '.'})
		var got []byte
		for i := 0; i < len(dst.Pix); i += 3 {
			got = append(got, dst.Pix[i])
		}
		require.Equal(t, want, string(got))
	}
	f(Constant, -4, "....abc..")
	f(Constant, -20, ".........")
	f(Constant, 20, ".........")
	f(Edge, -4, "aaaaabccc")
	f(Reflect, -4, "abcbabcba")
	f(Symmetric, -4, "ccbaabccb")
	f(Symmetric, 3, "cbaabccba")
	f(Reflect, 20, "abcbabcba")
}

func TestParsePadding(t *testing.T) {
	for _, p := range []Padding{Constant, Edge, Reflect, Symmetric} {
		got, err := ParsePadding(p.String())
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	_, err := ParsePadding("wrap")
	require.ErrorContains(t, err, `padding mode "wrap": known are constant`)
	require.Equal(t, "Padding(9)", Padding(9).String())
	require.Equal(t, "Filter(9)", Filter(9).String())
}

func TestMisuse(t *testing.T) {
	require.Panics(t, func() { KernelBlur(noise(30, 30), 4, 1) }, "an even size")
	require.Panics(t, func() { KernelBlur(noise(11, 30), 23, 1) }, "a picture that is too small to mirror")
	require.Panics(t, func() { Affine(noise(3, 3), Matrix{}, 7, [3]byte{}) })
}
