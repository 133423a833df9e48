package vision

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

func (g goldenPipeline) preprocess() *Preprocess {
	return &Preprocess{
		Width: g.Width, Height: g.Height, CropPct: g.CropPct, CropMode: g.CropMode, Interpolation: g.Interpolation,
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
	}
}

// applyGolden runs one pipeline of goldens.json and returns its distance from timm's result.
func applyGolden(t *testing.T, g goldenPipeline, resize Resizer) (most int, mean float64) {
	t.Helper()
	p := g.preprocess()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	src := mustDecode(t, g.Source)
	before := bytes.Clone(src.Pix)
	got := bytes.Repeat([]byte{0xA5}, p.Size())
	if err := p.Apply(src, resize, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, src.Pix) {
		t.Error("Apply changed its source")
	}
	return distance(got, mustPNG(t, "preprocessed/"+g.Name+".png").Pix)
}

func TestPreprocessEqualsTimm(t *testing.T) {
	for _, g := range mustGoldens(t).Preprocess {
		t.Run(g.Name, func(t *testing.T) {
			if strings.HasSuffix(g.Source, ".jpg") {
				needTurbo(t)
			}
			if most, mean := applyGolden(t, g, PillowResizer); most > 0 {
				t.Errorf("differs from timm by up to %d, %.4f on average", most, mean)
			}
		})
	}
}

// nfnt/resize has coarse weights: a few steps of error at most on average, more at hard edges.
func TestPreprocessWithNfntIsNearTimm(t *testing.T) {
	worst := 0.0
	for _, g := range mustGoldens(t).Preprocess {
		if strings.HasSuffix(g.Source, ".jpg") && !HasTurboJPEG() {
			continue // would measure the JPEG decoder
		}
		_, mean := applyGolden(t, g, NfntResizer)
		worst = max(worst, mean)
		if mean > 2 {
			t.Errorf("%s differs from timm by %.3f on average; want at most 2", g.Name, mean)
		}
	}
	t.Logf("largest mean difference: %.3f of 255", worst)
}

func TestNormalizeEqualsTorch(t *testing.T) {
	p := &Preprocess{Width: 32, Height: 32, CropPct: 1, CropMode: CropBorder,
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}}
	pixels := make([]byte, p.Size())
	if err := p.Apply(mustDecode(t, "cifar.png"), PillowResizer, pixels); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, p.Size())
	p.Normalize(got, pixels)
	want := mustRead(t, "cifar_normalized.f32")
	for i, g := range got {
		if w := math.Float32frombits(binary.LittleEndian.Uint32(want[i*4:])); math.Abs(float64(g-w)) > 1e-6 {
			t.Fatalf("float %d: got %v; want %v", i, g, w)
		}
	}
}

func TestValidate(t *testing.T) {
	good := Preprocess{Width: 224, Height: 224, Std: [3]float32{1, 1, 1}}
	f := func(change func(*Preprocess), sentence string) {
		t.Helper()
		p := good
		change(&p)
		switch err := p.Validate(); {
		case sentence == "" && err != nil:
			t.Errorf("got %v; want no error", err)
		case sentence != "" && (err == nil || !strings.Contains(err.Error(), sentence)):
			t.Errorf("got %v; want %q in it", err, sentence)
		}
	}
	f(func(*Preprocess) {}, "")
	f(func(p *Preprocess) { p.CropPct = 1 }, "")
	f(func(p *Preprocess) { p.Width = 0 }, "both sides")
	f(func(p *Preprocess) { p.Height = 5000 }, "both sides")
	f(func(p *Preprocess) { p.CropPct = math.NaN() }, "crop_pct")
	f(func(p *Preprocess) { p.CropPct = 1.5 }, "crop_pct")
	f(func(p *Preprocess) { p.CropPct = -1 }, "crop_pct")
	f(func(p *Preprocess) { p.CropMode = "middle" }, `crop_mode "middle"`)
	f(func(p *Preprocess) { p.Interpolation = 7 }, "interpolation")
	f(func(p *Preprocess) { p.Mean[1] = float32(math.NaN()) }, "mean")
	f(func(p *Preprocess) { p.Std[2] = 0 }, "std")
}

func TestParseInterpolation(t *testing.T) {
	for _, want := range []Interpolation{Bilinear, Bicubic} {
		if got, err := ParseInterpolation(want.String()); err != nil || got != want {
			t.Errorf("ParseInterpolation(%q) = %v, %v", want.String(), got, err)
		}
	}
	if _, err := ParseInterpolation("lanczos"); err == nil {
		t.Error("lanczos was accepted")
	}
}

// A ribbon of one pixel's height must not become gigabytes on its way to 224 x 224.
func TestRibbonsStayCheap(t *testing.T) {
	f := func(width, height int, mode string) {
		t.Helper()
		p := &Preprocess{Width: 224, Height: 224, CropMode: mode, Std: [3]float32{1, 1, 1}}
		src := &Image{Width: width, Height: height, Pix: bytes.Repeat([]byte{7, 8, 9}, width*height)}
		largest := 0
		resize := func(src *Image, w, h int, ip Interpolation) (*Image, error) {
			largest = max(largest, w*h)
			return PillowResizer(src, w, h, ip)
		}
		dst := make([]byte, p.Size())
		if err := p.Apply(src, resize, dst); err != nil {
			t.Fatal(err)
		}
		if largest > 257*257*maxAspect {
			t.Errorf("%d x %d: resized to %d pixels", width, height, largest)
		}
		// In border mode a line of one pixel need not cross the middle.
		if at := (112*224 + 112) * 3; mode != CropBorder && !bytes.Equal(dst[at:at+3], []byte{7, 8, 9}) {
			t.Errorf("%d x %d: the middle is %v", width, height, dst[at:at+3])
		}
	}
	for _, mode := range []string{CropCenter, CropSquash, CropBorder} {
		f(60000, 1, mode)
		f(1, 60000, mode)
		f(60000, 3, mode)
		f(1, 1, mode)
	}
}

func TestThumbnail(t *testing.T) {
	f := func(width, height, maxSide, wantW, wantH int) {
		t.Helper()
		src := &Image{Width: width, Height: height, Pix: bytes.Repeat([]byte{50, 100, 150}, width*height)}
		m := Thumbnail(src, maxSide)
		if m.Width != wantW || m.Height != wantH {
			t.Fatalf("Thumbnail of %d x %d at %d: got %d x %d; want %d x %d", width, height, maxSide, m.Width, m.Height, wantW, wantH)
		}
		if wantW > 0 && !bytes.Equal(m.Pix[:3], []byte{50, 100, 150}) {
			t.Errorf("the colour became %v", m.Pix[:3])
		}
	}
	f(400, 300, 100, 100, 75)
	f(300, 400, 100, 75, 100)
	f(40, 30, 100, 40, 30)
	f(5000, 1, 100, 100, 1)
	f(0, 0, 100, 0, 0)
}
