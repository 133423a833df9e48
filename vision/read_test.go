package vision

import (
	"bytes"
	"image/jpeg"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadDrafts: which scale is taken, by sizes that a model with the given input would resize to 256 or so.
func TestReadDrafts(t *testing.T) {
	f := func(p Preprocess, width, height, want int) {
		t.Helper()
		require.Equal(t, want, p.draft(width, height))
	}
	p := Preprocess{Width: 224, Height: 224, CropPct: 0.875}
	f(p, 500, 375, 1)
	f(p, 4032, 3024, 2)
	f(p, 3024, 4032, 2)
	f(p, 4000, 2815, 1)
	f(p, 4000, 2816, 2)
	f(p, 8000, 6000, 4)
	f(p, 20000, 12000, 8)
	f(p, 60000, 3024, 1) // a ribbon is cut before it is resized
	p.CropMode = CropSquash
	f(p, 60000, 3024, 2)
	p = Preprocess{Width: 32, Height: 32, CropPct: 1}
	f(p, 500, 375, 2)
	f(p, 1, 1, 1)
}

// TestReadEqualsDecodeAndApply: what is no draft is timm's, bit by bit; a draft is near it, and of the same crop, also where the sides
// are no multiples of the scale and the picture is turned.
func TestReadEqualsDecodeAndApply(t *testing.T) {
	f := func(name string, p Preprocess, tolerance float64) {
		t.Helper()
		data := mustRead(t, name)
		m, err := Decode(data, Limits{})
		require.NoError(t, err)
		want, got := make([]byte, p.Size()), make([]byte, p.Size())
		require.NoError(t, p.Apply(m, PillowResizer, want))
		require.NoError(t, p.Read(data, Limits{}, PillowResizer, got))
		_, mean := distance(got, want)
		if tolerance == 0 {
			require.Equal(t, want, got, name)
			return
		}
		require.NotEqual(t, want, got, "%s: no draft", name)
		require.LessOrEqual(t, mean, tolerance, name)
		p.Exact = true
		require.NoError(t, p.Read(data, Limits{}, PillowResizer, got))
		require.Equal(t, want, got, name)
	}
	small := Preprocess{Width: 16, Height: 16, CropPct: 1, Interpolation: Bicubic}
	f("photo.jpg", Preprocess{Width: 224, Height: 224}, 0)
	f("landscape.png", small, 0)
	f("photo.jpg", small, 1.5)
	for _, mode := range []string{CropSquash, CropBorder} {
		p := small
		p.CropMode = mode
		f("photo.jpg", p, 1.5)
	}
	tiny := Preprocess{Width: 4, Height: 4, CropPct: 1}
	f("baseline_420.jpg", tiny, 2) // 99 x 67
	f("exif_6.jpg", tiny, 0)       // turned, and no multiple of two: decoded in full
}

// A ramp that is decoded at a half, from an odd size, is the same ramp: the last column of the draft is half a pixel.
func TestExtent(t *testing.T) {
	const width, height = 451, 331
	ramp := &Image{Width: width, Height: height, Pix: make([]byte, width*height*3)}
	for i := range width * height {
		v := byte(255 * (i % width) / width)
		ramp.Pix[3*i], ramp.Pix[3*i+1], ramp.Pix[3*i+2] = v, v, v
	}
	var out bytes.Buffer
	require.NoError(t, jpeg.Encode(&out, ramp.RGBA(), &jpeg.Options{Quality: 100}))
	draft, err := DecodeDraft(out.Bytes(), Limits{}, 150)
	require.NoError(t, err)
	w, h := draft.Extent()
	require.Equal(t, []float64{width / 2., height / 2.}, []float64{w, h})
	require.Equal(t, []int{226, 166}, []int{draft.Width, draft.Height})
	exact, err := PillowResizer(ramp, 41, 30, Bilinear)
	require.NoError(t, err)
	got, err := PillowResizer(draft, 41, 30, Bilinear)
	require.NoError(t, err)
	off := 0
	for i, v := range got.Pix {
		off += int(v) - int(exact.Pix[i])
	}
	require.InDelta(t, 0, float64(off)/float64(len(got.Pix)), 0.15, "the ramp has moved")
	require.Panics(t, func() { draft.SetExtent(225, 166) })
}
