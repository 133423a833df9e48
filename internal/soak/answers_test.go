package soak

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tolerance is how far a probability may be from the one that the engine gives to the image alone, in another process. In
// batches of different sizes sums are formed in different orders; TestAnswersAreTheSameBits (predict) has what is seen.
const tolerance = 1e-5

// picture is an image, encoded, and what the engine says of it.
type picture struct {
	name    string
	data    []byte
	kind    string // "image/jpeg" and so on
	raw     []byte // its pixels in RGB, if they are those of a model's input
	side    int    // of raw
	answers map[string][]float32
}

// modelKey names one version of a model in picture.answers.
func modelKey(model, version string) string { return model + "/" + version }

// pictures makes the images of the load: as small as CIFAR's, photos of 10 to 50 kB, and pixels that no encoding changes.
func pictures(t testing.TB, seed uint64) []*picture {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 2))
	var all []*picture
	add := func(kind string, img image.Image, encode func(*bytes.Buffer) error) *picture {
		var b bytes.Buffer
		require.NoError(t, encode(&b))
		p := &picture{name: fmt.Sprintf("%03d.%s", len(all), kind[len("image/"):]), kind: kind, data: b.Bytes(), answers: map[string][]float32{}}
		all = append(all, p)
		return p
	}
	for i := range 48 {
		w, h := 32, 32
		if i%2 == 0 {
			w, h = 240+rnd.IntN(240), 200+rnd.IntN(200)
		}
		img := scene(rnd, w, h)
		add("image/jpeg", img, func(b *bytes.Buffer) error { return jpeg.Encode(b, img, &jpeg.Options{Quality: 85}) })
	}
	for i := range 12 {
		side := []int{32, smallSide}[i%2]
		img := scene(rnd, side, side)
		p := add("image/png", img, func(b *bytes.Buffer) error { return png.Encode(b, img) })
		p.raw, p.side = rgb(img), side
	}
	for range 4 {
		img := scene(rnd, 64, 48)
		add("image/gif", img, func(b *bytes.Buffer) error { return gif.Encode(b, img, nil) })
	}
	return all
}

// scene draws something that compresses as photos do, smooth shapes and some grain, in colours of its own.
func scene(rnd *rand.Rand, w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	a, b := 6*rnd.Float64(), 6*rnd.Float64()
	var low, high [3]float64
	for c := range low {
		low[c], high[c] = 215*rnd.Float64(), 215*rnd.Float64()
	}
	for y := range h {
		for x := range w {
			u, v := float64(x)/float64(w), float64(y)/float64(h)
			wave := 0.5 + 0.5*math.Sin(a+9*u+4*v)*math.Cos(b+7*v)
			at := img.Pix[img.PixOffset(x, y):]
			for c := range low {
				at[c] = byte(low[c]+(high[c]-low[c])*wave) + byte(rnd.IntN(40))
			}
			at[3] = 255
		}
	}
	return img
}

func rgb(img *image.RGBA) []byte {
	var out []byte
	for i := 0; i < len(img.Pix); i += 4 {
		out = append(out, img.Pix[i:i+3]...)
	}
	return out
}

// askEngine lets torchlit predict answer for all pictures, with one version of a model after the other, each in the precision that
// the server runs it in.
func askEngine(t testing.TB, root string, precision map[string]string, pictures []*picture) {
	t.Helper()
	dir := t.TempDir()
	for _, p := range pictures {
		require.NoError(t, os.WriteFile(filepath.Join(dir, p.name), p.data, 0o644))
	}
	for key, precision := range precision {
		cmd := exec.Command(program(t), "predict", "--json", "--top-k", "1000", "--model", filepath.Join(root, key), "--precision", precision, dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, stderr.String())
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		require.Len(t, lines, len(pictures))
		for i, line := range lines {
			var answer struct {
				File        string
				Predictions []prediction
			}
			require.NoError(t, json.Unmarshal([]byte(line), &answer))
			require.Equal(t, pictures[i].name, filepath.Base(answer.File))
			probabilities := make([]float32, len(answer.Predictions))
			for _, p := range answer.Predictions {
				probabilities[p.Index] = p.Probability
			}
			pictures[i].answers[key] = probabilities
		}
	}
	distinct(t, pictures)
}

// distinct checks that no two pictures have the same answer: the answer of another's would not be noticed.
func distinct(t testing.TB, pictures []*picture) {
	t.Helper()
	for i, a := range pictures {
		for _, b := range pictures[:i] {
			for key := range a.answers {
				require.Greater(t, furthest(a.answers[key], b.answers[key]), 5*tolerance, "%s and %s are the same to %s", a.name, b.name, key)
			}
		}
	}
}

func furthest(a, b []float32) float64 {
	most := 0.0
	for i := range a {
		most = max(most, math.Abs(float64(a[i]-b[i])))
	}
	return most
}

type prediction struct {
	Label       string
	Index       int
	Probability float32
}

// answer is what the server says of one image.
type answer struct {
	RequestID      string `json:"request_id"`
	Model, Version string
	Predictions    []prediction
	Error, Code    string
}

// checkAnswer holds the server's answer for p to the engine's: the k likeliest classes of the model and version that it names.
func checkAnswer(a *answer, p *picture, model string, k int) error {
	want, ok := p.answers[modelKey(a.Model, a.Version)]
	if !ok || a.Model != model {
		return fmt.Errorf("%s was answered by %q, version %q, error %q; want model %q", p.name, a.Model, a.Version, a.Error, model)
	}
	if len(a.Predictions) != min(k, len(want)) {
		return fmt.Errorf("%s has %d predictions; want %d", p.name, len(a.Predictions), k)
	}
	named := make([]bool, len(want))
	for i, got := range a.Predictions {
		if got.Index < 0 || got.Index >= len(want) || named[got.Index] || off(got.Probability, want[got.Index]) {
			return fmt.Errorf("%s by %s/%s: got %+v; the engine says %v", p.name, a.Model, a.Version, a.Predictions, want)
		}
		named[got.Index] = true
		if i > 0 && got.Probability > a.Predictions[i-1].Probability {
			return fmt.Errorf("%s: the predictions are not in order: %+v", p.name, a.Predictions)
		}
	}
	least := float64(a.Predictions[len(a.Predictions)-1].Probability)
	for i, named := range named {
		if !named && float64(want[i]) > least+tolerance {
			return fmt.Errorf("%s: class %d with %v is left out of %+v", p.name, i, want[i], a.Predictions)
		}
	}
	return nil
}

// checkVector holds all probabilities to the engine's.
func checkVector(got []float32, p *picture, model, version string) error {
	want := p.answers[modelKey(model, version)]
	if len(got) != len(want) || slices.ContainsFunc(got, func(v float32) bool { return v != v }) || furthest(got, want) > tolerance {
		return fmt.Errorf("%s by %s/%s: got %v; the engine says %v", p.name, model, version, got, want)
	}
	return nil
}

func off(a, b float32) bool { return !(math.Abs(float64(a)-float64(b)) <= tolerance) }
