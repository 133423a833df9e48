package augment

import (
	"image/png"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dataset/augment/imageops"
	"github.com/torchlit/torchlit/vision"
)

// TestContactSheet is for eyes: it draws what the pipelines make of a photo, a row each, into a PNG file.
//
//	TORCHLIT_PHOTO=cat.jpg TORCHLIT_SHEET=sheet.png go test -run ContactSheet ./dataset/augment
func TestContactSheet(t *testing.T) {
	photo, to := os.Getenv("TORCHLIT_PHOTO"), os.Getenv("TORCHLIT_SHEET")
	if photo == "" || to == "" {
		t.Skip("skipped: set TORCHLIT_PHOTO to a photo and TORCHLIT_SHEET to the PNG file to draw")
	}
	data, err := os.ReadFile(photo)
	require.NoError(t, err)
	src, err := vision.Decode(data, vision.Limits{})
	require.NoError(t, err)
	defer src.Release()

	const side, columns, gap = 128, 10, 2
	var rows []*vision.Image
	add := func(make func(column int) *vision.Image) {
		row := vision.Acquire((side+gap)*columns, side+gap)
		clear(row.Pix)
		for x := range columns {
			paste(row, make(x), x*(side+gap))
		}
		rows = append(rows, row)
	}
	show := func(c Config) {
		p := mustNew(t, c, side)
		t.Logf("row %d: %v", len(rows)+1, p)
		add(func(x int) *vision.Image {
			m := vision.Acquire(side, side)
			p.Apply(m.Pix, src, dataset.Key{Seed: 1, Index: x})
			return m
		})
	}
	show(Config{})
	show(Config{Scale: [2]float64{0.08, 1}, Interpolation: "random"})
	show(Config{Pad: 24, PadMode: "reflect", HFlip: 0.5, VFlip: 0.5})
	show(Config{ColorJitter: Jitter{0.4}})
	show(Config{ColorJitter: Jitter{0, 0, 0, 0.5}})
	show(Config{GrayscaleProb: 0.5, GaussianBlurProb: 0.8})
	for _, policy := range []string{"rand-m9-mstd0.5-inc1-p1", "trivial", "autoaugment-cifar10", "original", "v0", "3a", "augmix-m9"} {
		show(Config{AutoAugment: policy})
	}
	for _, mode := range []string{EraseConst, EraseRand, ErasePixel} {
		show(Config{ReProb: 1, ReMode: mode, ReCount: 2})
	}
	show(Config{Cutout: 40})
	for o := opAutoContrast; o <= opTranslateY; o++ {
		t.Logf("row %d: %v, torchvision's wide range", len(rows)+1, o)
		add(func(x int) *vision.Image {
			m := vision.Acquire(side, side)
			mustNew(t, Config{}, side).Apply(m.Pix, src, dataset.Key{})
			s := trivialSpace.step(o, x*30/(columns-1), 31, x%2 == 1, side, side, imageops.Bilinear)
			switch o {
			case opSolarizeAdd:
				s.value = float64(x * 12)
			case opGaussianBlur:
				s.value = float64(x) / 2
			}
			s.apply(m, colourOf(imageNetMean))
			return m
		})
	}
	writeSheet(t, to, rows)
}

func paste(dst, m *vision.Image, left int) {
	for y := range m.Height {
		copy(dst.Pix[(y*dst.Width+left)*3:], m.Pix[y*m.Width*3:][:m.Width*3])
	}
	m.Release()
}

func writeSheet(t *testing.T, to string, rows []*vision.Image) {
	t.Helper()
	all := &vision.Image{Width: rows[0].Width}
	for _, r := range rows {
		all.Pix = append(all.Pix, r.Pix...)
		all.Height += r.Height
		r.Release()
	}
	f, err := os.Create(to)
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, all.RGBA()))
	require.NoError(t, f.Close())
	t.Logf("%s: %d x %d pixels", to, all.Width, all.Height)
}
