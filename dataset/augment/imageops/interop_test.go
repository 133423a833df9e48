//go:build interop

package imageops

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
)

const script = "testdata/make_goldens.py"

// TestInteropGoldensAreCurrent: the script makes the committed goldens again.
func TestInteropGoldensAreCurrent(t *testing.T) {
	dir := t.TempDir()
	interop.Run(t, interop.Python(t, "torch"), script, dir)
	_, pictures, want := readGoldens(t, "testdata")
	again, picturesAgain, wantAgain := readGoldens(t, dir)
	require.Equal(t, pictures, picturesAgain)
	// torchvision's convolution may sum in another order on another processor.
	again.check(t, picturesAgain, wantAgain)
	require.Len(t, wantAgain, len(want))
}

// TestInteropRandomCases compares with Pillow and torchvision on pictures of many sizes, with parameters drawn at random.
func TestInteropRandomCases(t *testing.T) {
	python := interop.Python(t, "torch")
	r := rand.New(rand.NewPCG(1, 2))
	var g goldens
	var pictures [][]byte
	for range 16 {
		p := goldenPicture{Width: 12 + r.IntN(90), Height: 12 + r.IntN(90)}
		g.Pictures = append(g.Pictures, p)
		pictures = append(pictures, drawn(r, p.Width, p.Height))
	}
	for range 8 {
		g.Cases = append(g.Cases, randomCases(r)...)
	}
	dir := t.TempDir()
	request, answer := filepath.Join(dir, "request"), filepath.Join(dir, "answer")
	text, err := json.Marshal(g)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(request+".json", text, 0o644))
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = z.Write(bytes.Join(pictures, nil))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(request+".bin.gz", b.Bytes(), 0o644))
	interop.Run(t, python, script, request, answer)
	want, err := os.ReadFile(answer)
	require.NoError(t, err)
	differ, of := g.check(t, pictures, want)
	t.Logf("%d of %d bytes differ, by 1", differ, of)
	require.Less(t, differ, of/100_000)
}

// drawn is a picture of slopes and steps with a little noise.
func drawn(r *rand.Rand, width, height int) []byte {
	pix := make([]byte, width*height*3)
	low, span, noise := r.IntN(60), 20+r.IntN(170), 1+r.IntN(24)
	for y := range height {
		for x := range width {
			for c := range 3 {
				v := low + span*((x*(c+1)+y*(3-c))%(40+20*c))/(40+20*c) + r.IntN(noise)
				if x/16 == y/16 {
					v = low + c*20
				}
				pix[(y*width+x)*3+c] = byte(min(v, 255))
			}
		}
	}
	return pix
}

func randomCases(r *rand.Rand) []goldenCase {
	uniform := func(from, to float64) float64 { return from + r.Float64()*(to-from) }
	fill := []int{r.IntN(256), r.IntN(256), r.IntN(256)}
	cases := []goldenCase{
		{Op: "posterize", Args: []float64{float64(1 + r.IntN(8))}},
		{Op: "solarize", Args: []float64{uniform(0, 256)}},
		{Op: "solarize_add", Args: []float64{float64(r.IntN(129)), 128}},
		{Op: "autocontrast"}, {Op: "equalize"},
		{Op: "hue", Args: []float64{uniform(-0.5, 0.5)}},
		{Op: "gaussian_blur", Args: []float64{uniform(0.1, 6)}},
		{Op: "kernel_blur", Args: []float64{23, uniform(0.1, 2)}, Tolerance: 1},
		{Op: "window", Args: []float64{float64(r.IntN(21) - 10), float64(r.IntN(21) - 10), 32, 32}, Padding: []string{"constant", "edge", "reflect", "symmetric"}[r.IntN(4)], Fill: fill},
	}
	for _, op := range []string{"brightness", "contrast", "color", "sharpness"} {
		cases = append(cases, goldenCase{Op: op, Args: []float64{uniform(0, 2.2)}})
	}
	for i, filter := range []string{"nearest", "bilinear", "bicubic"} {
		// Go's cosine may differ from C's in the last bit: one pixel in millions then falls on the other side of a whole number.
		near := min(i, 1)
		cases = append(cases,
			goldenCase{Op: "rotate", Args: []float64{uniform(-180, 180)}, Filter: filter, Fill: fill, Tolerance: near},
			goldenCase{Op: "rotate", Args: []float64{float64(r.IntN(61) - 30)}, Filter: filter, Fill: fill, Tolerance: near},
			goldenCase{Op: "affine", Args: []float64{1, uniform(-1, 1), 0, 0, 1, 0}, Filter: filter, Fill: fill},
			goldenCase{Op: "affine", Args: []float64{1, 0, 0, uniform(-1, 1), 1, 0}, Filter: filter, Fill: fill},
			goldenCase{Op: "affine", Args: []float64{1, 0, uniform(-40, 40), 0, 1, uniform(-40, 40)}, Filter: filter, Fill: fill})
	}
	return cases
}
