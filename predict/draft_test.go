package predict

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/vision"
)

// TestDraftKeepsTheAnswer counts how often a photo that is decoded at a reduced size (vision.Preprocess.Read) gets another label than
// the whole photo, decoded and resized as timm does. docs/source/performance.md has the figures.
//
// TORCHLIT_CIFAR10 is a folder of test images of CIFAR-10, by class. Enlarged eleven times, which is 2·DraftMargin, and made JPEGs they are to the
// bundled model what photos of some megapixels are to others: pictures of what it has learned to name, much larger than it sees them. At least 995 of a
// thousand must keep their labels.
//
// TORCHLIT_PHOTOS is a folder of photos, of which windows are cut out, too, so that there are enough to see a percent. They show hardly
// anything that the bundled model knows, so its answers are guesses; drafts may change three in a hundred. A ResNet18 with random weights
// is asked, too, at more sizes: its last layer tells a thousand directions of the features apart, by margins that nobody trained to be
// wide. Beside that stands how many labels stay when Pillow's arithmetic resizes instead of libtorch's, which differ by 2/255 at most.
func TestDraftKeepsTheAnswer(t *testing.T) {
	cifar, dir := os.Getenv("TORCHLIT_CIFAR10"), os.Getenv("TORCHLIT_PHOTOS")
	if cifar == "" && dir == "" {
		t.Skip("skipped: set TORCHLIT_CIFAR10 to a folder of CIFAR-10's test images, or TORCHLIT_PHOTOS to one of photos")
	}
	asTheyAre := func(out [][]float32) [][]float32 { return out }
	bundled := mustOpen(t, filepath.Join("..", "models", "cifar10-resnet18"), Options{})
	if cifar != "" {
		pictures := mustEnlarge(t, cifar)
		t.Run("CIFAR-10, enlarged", func(t *testing.T) {
			mustKeepTheLabel(t, 0.995, pictures, bundled, bundled.Folder().Preprocess(), asTheyAre)
		})
	}
	if dir == "" {
		return
	}
	photos := mustCutPhotos(t, dir)
	f := func(name string, m *Model, p vision.Preprocess, classify func(out [][]float32) [][]float32) {
		t.Helper()
		t.Run(name, func(t *testing.T) { mustKeepTheLabel(t, 0.97, photos, m, p, classify) })
	}
	f("cifar10-resnet18, 32 px", bundled, bundled.Folder().Preprocess(), asTheyAre)
	for _, side := range []int{24, 32} {
		n := mustNetwork(t, "resnet18", "", side, 512)
		weights := n.Weights.(*seededWeights)
		weights.values["fc.weight"], weights.values["fc.bias"] = identity(512)
		m := mustModel(t, n, Options{})
		p := vision.Preprocess{Width: side, Height: side, Mean: imagenetMean, Std: imagenetStd, Interpolation: vision.Bicubic}
		var head randomHead
		f(fmt.Sprintf("random ResNet18, %d px", side), m, p, head.classify)
	}
}

// mustKeepTheLabel compares the labels of drafts with those of whole photos.
func mustKeepTheLabel(t *testing.T, least float64, photos [][]byte, m *Model, p vision.Preprocess, classify func(out [][]float32) [][]float32) {
	whole := p
	whole.Exact = true
	r := mustRunner(t, m)
	var exact, draft, pillow [][]byte
	for _, data := range photos {
		a, b := mustRead(t, &whole, Resize, data), mustRead(t, &p, Resize, data)
		if bytes.Equal(a, b) {
			continue // it is no draft
		}
		exact, draft, pillow = append(exact, a), append(draft, b), append(pillow, mustRead(t, &whole, vision.PillowResizer, data))
	}
	want := labels(classify(mustAll(t, r, exact)))
	same := func(other [][]byte) float64 {
		n := 0
		for i, label := range labels(classify(mustAll(t, r, other))) {
			if label == want[i] {
				n++
			}
		}
		return float64(n) / float64(len(want))
	}
	distinct := len(slices.Compact(slices.Sorted(slices.Values(want))))
	drafts := same(draft)
	t.Logf("%d of %d photos are drafts; %.2f %% keep the label, %.2f %% with Pillow's resizing instead; %d labels",
		len(want), len(photos), 100*drafts, 100*same(pillow), distinct)
	if drafts < least || distinct < 8 {
		t.Errorf("%.2f %% keep the label, want %.2f; %d labels", 100*drafts, 100*least, distinct)
	}
}

// enlarged makes drafts of a half that are DraftMargin times as large as the resized picture, no more.
const enlarged = int(2 * vision.DraftMargin)

// mustEnlarge returns every third image of the folders, enlarged, as JPEG.
func mustEnlarge(t *testing.T, dir string) (photos [][]byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*", "*.[jp][pn]*g"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no images in the folders of %q: %v", dir, err)
	}
	for i := 0; i < len(names); i += 3 {
		data, err := os.ReadFile(names[i])
		if err != nil {
			t.Fatal(err)
		}
		small, err := vision.Decode(data, vision.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		large, err := Resize(small, enlarged*small.Width, enlarged*small.Height, vision.Bicubic)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := jpeg.Encode(&out, large.RGBA(), &jpeg.Options{Quality: 95}); err != nil {
			t.Fatal(err)
		}
		photos = append(photos, out.Bytes())
	}
	return photos
}

// mustCutPhotos returns each photo and eight windows of it, of three fifths of its sides, as JPEG.
func mustCutPhotos(t *testing.T, dir string) (photos [][]byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.jp*g"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no photos in %q: %v", dir, err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		photos = append(photos, data)
		img, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		b := img.Bounds()
		w, h := b.Dx()*3/5, b.Dy()*3/5
		for range 8 {
			at := image.Pt(b.Min.X+random.IntN(b.Dx()-w+1), b.Min.Y+random.IntN(b.Dy()-h+1))
			window := img.(interface {
				SubImage(image.Rectangle) image.Image
			}).SubImage(image.Rectangle{Min: at, Max: at.Add(image.Pt(w, h))})
			var out bytes.Buffer
			if err := jpeg.Encode(&out, window, &jpeg.Options{Quality: 95}); err != nil {
				t.Fatal(err)
			}
			photos = append(photos, out.Bytes())
		}
	}
	return photos
}

func mustRead(t *testing.T, p *vision.Preprocess, resize vision.Resizer, data []byte) []byte {
	t.Helper()
	dst := make([]byte, p.Size())
	if err := p.Read(data, vision.Limits{}, resize, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

func mustAll(t *testing.T, r *Runner, in [][]byte) (out [][]float32) {
	t.Helper()
	for part := range slices.Chunk(in, r.maxBatch) {
		out = append(out, mustLogits(t, r, part)...)
	}
	return out
}

func labels(answers [][]float32) []int {
	out := make([]int, len(answers))
	for i, a := range answers {
		out[i] = slices.Index(a, slices.Max(a))
	}
	return out
}

// identity is a linear layer that changes nothing, so that a network's logits are its features.
func identity(n int) (weight, bias safetensors.View) {
	w := make([]byte, 4*n*n)
	for i := range n {
		binary.LittleEndian.PutUint32(w[4*(i*n+i):], math.Float32bits(1))
	}
	size := int64(n)
	return safetensors.View{Name: "fc.weight", DType: "F32", Shape: []int64{size, size}, Data: w},
		safetensors.View{Name: "fc.bias", DType: "F32", Shape: []int64{size}, Data: make([]byte, 4*n)}
}

// randomHead tells features apart that an untrained network gives: all nearly the same, but for what little each photo adds. It makes that
// little as large for every feature, going by the first photos that it sees, and takes a thousand random directions of it.
type randomHead struct {
	mean, scale []float64
	directions  [][]float64
}

func (h *randomHead) classify(features [][]float32) [][]float32 {
	if h.directions == nil && len(features) > 0 {
		h.fit(features)
	}
	out := make([][]float32, len(features))
	x := make([]float64, len(h.mean))
	for i, f := range features {
		for j, v := range f {
			x[j] = (float64(v) - h.mean[j]) * h.scale[j]
		}
		out[i] = make([]float32, len(h.directions))
		for c, d := range h.directions {
			sum := 0.0
			for j, v := range x {
				sum += d[j] * v
			}
			out[i][c] = float32(sum)
		}
	}
	return out
}

func (h *randomHead) fit(features [][]float32) {
	n := len(features[0])
	h.mean, h.scale = make([]float64, n), make([]float64, n)
	for j := range n {
		var sum, squares float64
		for _, f := range features {
			sum += float64(f[j])
			squares += float64(f[j]) * float64(f[j])
		}
		k := float64(len(features))
		h.mean[j] = sum / k
		if variance := squares/k - h.mean[j]*h.mean[j]; variance > 1e-12 {
			h.scale[j] = 1 / math.Sqrt(variance)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	h.directions = make([][]float64, 1000)
	for c := range h.directions {
		h.directions[c] = make([]float64, n)
		for j := range n {
			h.directions[c][j] = random.NormFloat64()
		}
	}
}
