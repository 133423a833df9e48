package augment

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/vision"
)

func mustNew(t testing.TB, cfg Config, size int) dataset.Transform {
	t.Helper()
	p, err := New(cfg, size)
	require.NoError(t, err)
	return p
}

// picture is a photo-like gradient with noise.
func picture(width, height int) *vision.Image {
	m := &vision.Image{Width: width, Height: height, Pix: make([]byte, width*height*3)}
	r := stream(uint64(width*height + 1))
	for i := range m.Pix {
		x, y, c := i/3%width, i/3/width, i%3
		m.Pix[i] = byte(30 + (x*(c+1)*90/width+y*(3-c)*40/height)%190 + r.Below(20))
	}
	return m
}

func digest(p dataset.Transform, size int, src *vision.Image, seed uint64, epoch int) string {
	h, dst := sha256.New(), make([]byte, size*size*3)
	for i := range 32 {
		for j := range dst {
			dst[j] = 0xAA // what a reused buffer may hold
		}
		p.Apply(dst, src, dataset.Key{Seed: seed, Epoch: epoch, Index: i})
		h.Write(dst)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// everything switches on all that can be on together.
func everything() Config {
	c := ImageNet()
	c.AutoAugment, c.ForceColorJitter, c.ColorJitter, c.ColorJitterProb = "rand-m9-mstd0.5-inc1", true, Jitter{0.4, 0.4, 0.4, 0.1}, 0.8
	c.VFlip, c.GrayscaleProb, c.GaussianBlurProb = 0.5, 0.2, 0.5
	c.ReProb, c.ReMode, c.ReCount, c.Cutout = 0.5, "pixel", 3, 4
	return c
}

// TestApplyGolden: what an epoch shows may not change with a release, or a resumed run is another run.
func TestApplyGolden(t *testing.T) {
	f := func(c Config, want string) {
		t.Helper()
		require.Equal(t, want, digest(mustNew(t, c, 24), 24, picture(40, 30), 1, 2))
	}
	with := func(policy string) Config { c := CIFAR(); c.AutoAugment = policy; return c }
	f(Config{}, "8e4facba50b9d853")
	f(CIFAR(), "577b5f205bd82c6f")
	f(ImageNet(), "ae5c232a469e6cbb")
	f(everything(), "c2dea26fd6df7978")
	f(with("rand-m9-mstd0.5-inc1"), "b0346e4c0d2db798")
	f(with("trivial"), "8a90fc80056a189b")
	f(with("autoaugment-cifar10"), "0e613da90f42f828")
	f(with("original-mstd0.5"), "e6ecc6c77ab08670")
	f(with("augmix-m5-w4"), "868e927cb25eacee")
	f(with("augmix-b1"), "944164b617bc09f5")
}

// TestApplyIsAFunctionOfTheKey, and not of what went before or of the buffer.
func TestApplyIsAFunctionOfTheKey(t *testing.T) {
	p, src := mustNew(t, everything(), 24), picture(40, 30)
	show := func(k dataset.Key) string {
		dst := bytes.Repeat([]byte{7}, 24*24*3)
		p.Apply(dst, src, k)
		return string(dst)
	}
	keys := []dataset.Key{{Seed: 1}, {Seed: 2}, {Seed: 1, Epoch: 1}, {Seed: 1, Index: 1}, {Seed: 1, Epoch: 1, Index: 1}}
	first := map[string]bool{}
	for _, k := range keys {
		first[show(k)] = true
	}
	require.Len(t, first, len(keys), "seed, epoch and index all matter")
	before := bytes.Clone(src.Pix)
	for _, k := range keys {
		require.True(t, first[show(k)])
	}
	require.Equal(t, before, src.Pix, "the image is read only")
}

// TestStagesAreIndependent: one that is switched on leaves what the others do as it was.
func TestStagesAreIndependent(t *testing.T) {
	src := picture(40, 40)
	c := CIFAR()
	plain := mustNew(t, c, 32)
	c.Cutout = 8
	cut := mustNew(t, c, 32)
	c.VFlip, c.ReProb = 1e-12, 1e-12 // on, and never seen
	more := mustNew(t, c, 32)
	for i := range 50 {
		k := dataset.Key{Seed: 5, Index: i}
		a, b, d := make([]byte, 32*32*3), make([]byte, 32*32*3), make([]byte, 32*32*3)
		plain.Apply(a, src, k)
		cut.Apply(b, src, k)
		more.Apply(d, src, k)
		require.Equal(t, b, d)
		differ := 0
		for j := 0; j < len(a); j += 3 {
			if a[j] != b[j] {
				differ++
			}
		}
		require.LessOrEqual(t, differ, 64, "only the cutout differs")
	}
}

func TestAnySize(t *testing.T) {
	for name, c := range map[string]Config{"none": {}, "cifar": CIFAR(), "imagenet": ImageNet(), "all": everything(),
		"reflect": {Pad: 9, PadMode: "reflect"}, "resize": {Resize: 40, Interpolation: "bicubic"}, "both": {Resize: 30, Pad: 1}} {
		p := mustNew(t, c, 32)
		for _, side := range [][2]int{{1, 1}, {32, 32}, {5, 700}, {700, 5}, {33, 31}, {1, 3000}, {3000, 1}} {
			dst := make([]byte, 32*32*3)
			p.Apply(dst, picture(side[0], side[1]), dataset.Key{Seed: 3, Index: side[0]})
			h, w := p.Size(side[1], side[0])
			require.Equal(t, []int{32, 32}, []int{h, w}, name)
		}
	}
}

// TestResizer: the one that is handed over scales, and what it cannot do PillowResizer does.
func TestResizer(t *testing.T) {
	src := picture(50, 37)
	for _, c := range []Config{{}, ImageNet(), {Pad: 2}} {
		want, got := make([]byte, 24*24*3), make([]byte, 24*24*3)
		mustNew(t, c, 24).Apply(want, src, dataset.Key{})
		c.Resizer = func(*vision.Image, int, int, vision.Interpolation) (*vision.Image, error) {
			return nil, errors.New("out of memory")
		}
		mustNew(t, c, 24).Apply(got, src, dataset.Key{})
		require.Equal(t, want, got)
		calls := 0
		c.Resizer = func(src *vision.Image, width, height int, ip vision.Interpolation) (*vision.Image, error) {
			calls++
			m, err := vision.PillowResizer(src, width, height, ip)
			for i := range m.Pix {
				m.Pix[i] = 255 - m.Pix[i]
			}
			return m, err
		}
		mustNew(t, c, 24).Apply(got, src, dataset.Key{})
		require.Equal(t, 1, calls)
		require.NotEqual(t, want, got)
	}
}

// TestCentreCropIsThePreprocessing of evaluation with a crop of 1.
func TestCentreCropIsThePreprocessing(t *testing.T) {
	src := picture(50, 37)
	got, want := make([]byte, 24*24*3), make([]byte, 24*24*3)
	mustNew(t, Config{}, 24).Apply(got, src, dataset.Key{})
	require.NoError(t, (&vision.Preprocess{Width: 24, Height: 24, CropPct: 1}).Apply(src, vision.PillowResizer, want))
	require.Equal(t, want, got)
}

// TestPaddedCropShowsEveryPlace of a small picture, and no other.
func TestPaddedCropShowsEveryPlace(t *testing.T) {
	src := picture(8, 8)
	p := mustNew(t, Config{Pad: 2}, 8)
	seen := map[string]int{}
	dst := make([]byte, 8*8*3)
	for i := range 2500 {
		p.Apply(dst, src, dataset.Key{Index: i})
		seen[string(dst)]++
	}
	require.Len(t, seen, 25)
	counts := make([]int, 0, 25)
	for _, n := range seen {
		counts = append(counts, n)
	}
	requireFrequencies(t, equalShares(25), counts)
}

func equalShares(n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = 1
	}
	return s
}

func TestFlips(t *testing.T) {
	src := picture(8, 8)
	seen := map[string]int{}
	p := mustNew(t, Config{HFlip: 0.5, VFlip: 0.25}, 8)
	dst := make([]byte, 8*8*3)
	for i := range draws {
		p.Apply(dst, src, dataset.Key{Index: i})
		seen[string(dst)]++
	}
	require.Len(t, seen, 4)
	require.InDelta(t, 0.375*draws, seen[string(src.Pix)], 4*math.Sqrt(0.375*0.625*draws))
}

// TestErasingModes: const is one colour, which normalisation makes zero; rand one colour a box; pixel many.
func TestErasingModes(t *testing.T) {
	src := &vision.Image{Width: 64, Height: 64, Pix: bytes.Repeat([]byte{255, 0, 255}, 64*64)}
	f := func(mode string, visit func(colours map[[3]byte]int)) {
		t.Helper()
		p := mustNew(t, Config{ReProb: 1, ReMode: mode, ReArea: [2]float64{0.2, 0.3}}, 64)
		dst := make([]byte, 64*64*3)
		for i := range 50 {
			p.Apply(dst, src, dataset.Key{Index: i})
			colours := map[[3]byte]int{}
			for j := 0; j < len(dst); j += 3 {
				colours[[3]byte(dst[j:])]++
			}
			delete(colours, [3]byte{255, 0, 255})
			visit(colours)
		}
	}
	different := map[[3]byte]bool{}
	f("const", func(c map[[3]byte]int) {
		require.Len(t, c, 1)
		require.InDelta(t, 0.25*64*64, c[[3]byte{124, 116, 104}], 0.06*64*64)
	})
	f("rand", func(c map[[3]byte]int) {
		require.Len(t, c, 1)
		for colour := range c {
			different[colour] = true
		}
	})
	require.Greater(t, len(different), 45)
	f("pixel", func(c map[[3]byte]int) { require.Greater(t, len(c), 500) })
	for i, m := range imageNetMean {
		normalised := (float64(colourOf(imageNetMean)[i])/255 - m) / imageNetStd[i]
		require.Less(t, math.Abs(normalised), 0.01, "half a step of 255")
	}
}

func TestCutout(t *testing.T) {
	src := &vision.Image{Width: 16, Height: 16, Pix: bytes.Repeat([]byte{255}, 16*16*3)}
	p := mustNew(t, Config{Cutout: 6}, 16)
	areas := map[int]bool{}
	dst := make([]byte, 16*16*3)
	for i := range 2000 {
		p.Apply(dst, src, dataset.Key{Index: i})
		painted := 0
		for j := 0; j < len(dst); j += 3 {
			if dst[j] != 255 {
				painted++
			}
		}
		areas[painted] = true
	}
	require.True(t, areas[36], "whole squares occur")
	require.True(t, areas[9], "squares cut at a corner occur")
	require.False(t, areas[0])
}

func TestString(t *testing.T) {
	s := fmt.Sprint(mustNew(t, everything(), 224))
	for _, part := range []string{"RandomResizedCrop(scale=[0.08 1], ratio=[0.75 1.333]", "RandomHorizontalFlip(p=0.5) → RandomVerticalFlip(p=0.5) → RandAugment(",
		"ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8) → RandomGrayscale(p=0.2) → GaussianBlur(", "RandomErasing(p=0.5, mode=pixel, count=(1, 3)) → Cutout(4)"} {
		require.Contains(t, s, part)
	}
	require.Equal(t, "Resize(32) → RandomCrop(padding=4, padding_mode=constant) → RandomHorizontalFlip(p=0.5)", fmt.Sprint(mustNew(t, CIFAR(), 32)))
	require.Equal(t, "Resize(8) → CenterCrop(8)", fmt.Sprint(mustNew(t, Config{}, 8)))
	require.Equal(t, "Rotate(20, bicubic)", step{opRotate, 20, 2}.String())
	require.Equal(t, "Posterize(3)", step{op: opPosterize, value: 3}.String())
}

func TestApplyMisuse(t *testing.T) {
	p := mustNew(t, Config{}, 8)
	require.Panics(t, func() { p.Apply(make([]byte, 5), picture(8, 8), dataset.Key{}) })
	require.Panics(t, func() { p.Apply(make([]byte, 8*8*3), &vision.Image{}, dataset.Key{}) })
	require.Panics(t, func() { ResizedCrop(picture(4, 4), picture(8, 8), image.Rect(5, 5, 9, 9), vision.Bilinear) })
	require.Panics(t, func() { step{op: opColor}.matrix() })
	require.Panics(t, func() { use("Zoom", 1, 1) })
	require.ErrorContains(t, p.(interface{ Validate(h, w int) error }).Validate(0, 4), "4 x 0 pixels")
}
