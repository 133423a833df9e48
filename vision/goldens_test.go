package vision

import (
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// goldens mirrors testdata/goldens.json, which testdata/make_goldens.py writes.
type goldens struct {
	MadeBy map[string]string `json:"made_by"`
	Decode []struct {
		File        string  `json:"file"`
		GoTolerance float64 `json:"go_tolerance"`
	} `json:"decode"`
	Preprocess []goldenPipeline `json:"preprocess"`
}

type goldenPipeline struct {
	Name          string        `json:"name"`
	Source        string        `json:"source"`
	Width         int           `json:"width"`
	Height        int           `json:"height"`
	CropPct       float64       `json:"crop_pct"`
	CropMode      string        `json:"crop_mode"`
	Interpolation Interpolation `json:"interpolation"`
}

var readGoldens = sync.OnceValues(func() (g goldens, err error) {
	text, err := os.ReadFile("testdata/goldens.json")
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	return g, err
})

func mustGoldens(t testing.TB) goldens {
	t.Helper()
	g, err := readGoldens()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func mustRead(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustDecode(t testing.TB, name string) *Image {
	t.Helper()
	m, err := Decode(mustRead(t, name), Limits{})
	if err != nil {
		t.Fatalf("Decode(%s): %v", name, err)
	}
	return m
}

// mustPNG reads an expectation with the standard library alone, so that a mistake in Decode cannot hide itself.
func mustPNG(t testing.TB, name string) *Image {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	b := src.Bounds()
	m := &Image{Width: b.Dx(), Height: b.Dy()}
	for y := range m.Height {
		for x := range m.Width {
			r, g, b, _ := src.At(x, y).RGBA()
			m.Pix = append(m.Pix, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return m
}

// distance is the largest and the mean absolute difference of two buffers, out of 255.
func distance(a, b []byte) (most int, mean float64) {
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		d = max(d, -d)
		most, sum = max(most, d), sum+d
	}
	return most, float64(sum) / float64(max(len(a), 1))
}

// needTurbo skips a test that has no meaning without libjpeg-turbo, unless everything is required.
func needTurbo(t testing.TB) {
	t.Helper()
	if HasTurboJPEG() {
		return
	}
	if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" && os.Getenv("TORCHLIT_JPEG") != "go" {
		t.Fatalf("libjpeg-turbo is required here: %s", JPEGBackend())
	}
	t.Skipf("skipped, needs libjpeg-turbo: %s", JPEGBackend())
}
