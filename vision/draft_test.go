package vision

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDecodeDraft: a draft has the size announced, and its pixels are nearly the means of the whole picture's.
func TestDecodeDraft(t *testing.T) {
	f := func(name string, side, width, height int, tolerance float64) {
		t.Helper()
		data := mustRead(t, name)
		whole, err := Decode(data, Limits{})
		require.NoError(t, err)
		draft, err := DecodeDraft(data, Limits{}, side)
		require.NoError(t, err)
		require.Equal(t, []int{width, height}, []int{draft.Width, draft.Height})
		scale := (whole.Width + width - 1) / width
		means := whole
		if scale > 1 {
			means = whole.boxed(scale)
		}
		require.Len(t, draft.Pix, len(means.Pix))
		sum := 0
		for i, v := range draft.Pix {
			sum += max(int(v)-int(means.Pix[i]), int(means.Pix[i])-int(v))
		}
		require.LessOrEqual(t, float64(sum)/float64(len(draft.Pix)), tolerance, "mean difference")
	}
	f("photo.jpg", 0, 320, 241, 0)
	f("photo.jpg", 121, 320, 241, 0)
	f("photo.jpg", 120, 160, 121, 4)
	f("photo.jpg", 60, 80, 61, 4)
	f("photo.jpg", 1, 40, 31, 4)
	f("baseline_420.jpg", 33, 50, 34, 6) // 99 x 67: sides round up
	f("baseline_420.jpg", 8, 13, 9, 6)
	f("grey.jpg", 20, 50, 34, 6)
	f("cmyk.jpg", 20, 50, 34, 8)
	f("exif_6.jpg", 8, 12, 20, 8)
	f("landscape.png", 8, 211, 140, 0) // no draft of other formats
}

func TestDraftScale(t *testing.T) {
	f := func(width, height, side, want int) {
		t.Helper()
		require.Equal(t, want, draftScale(width, height, side))
	}
	f(4000, 3000, 0, 1)
	f(4000, 3000, 3000, 1)
	f(4000, 3000, 1500, 2)
	f(4000, 3000, 1499, 2)
	f(4000, 3000, 750, 4)
	f(4000, 3000, 10, 8)
	f(1, 1, 1, 1)
	f(2, 3, 1, 2)
}

// TestBoxed counts on fingers: a 3×2 picture in squares of 2.
func TestBoxed(t *testing.T) {
	m := &Image{Width: 3, Height: 2, Pix: []byte{
		0, 10, 100, 2, 20, 100, 50, 60, 70,
		4, 30, 100, 7, 40, 101, 51, 61, 72,
	}}
	require.Equal(t, []byte{3, 25, 100, 51, 61, 71}, m.boxed(2).Pix)
}
