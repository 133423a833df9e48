package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/reference"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/vision"
	"github.com/torchlit/torchlit/vision/corrupt"
)

// The scenarios of TestDrift need real images, which are no part of the repository:
//
//   - TORCHLIT_CIFAR10 is a folder of test images of CIFAR-10, one subfolder a class, 5,000 or more;
//   - TORCHLIT_PHOTOS is a folder of photos that show none of its classes, or hens and frogs.
//
// docs/source/drift.md has what came of them; make test-drift runs them.
//
// The images are put into a fixed random order and halved: the bundled model's reference is made of one half, the other is traffic.
const (
	scenarioWindow = 500
	scenarioInRow  = 3
)

// scenario is a reference and the traffic that is compared with it.
type scenario struct {
	t        *testing.T
	pipeline *pipeline
	detector *detector.Detector
	files    []string // of the traffic
	truth    []int
}

func openScenario(t *testing.T, cifar string) *scenario {
	t.Helper()
	p, err := openEmbedding(filepath.Join("..", "..", "models", "cifar10-resnet18"), predict.FP32)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.close(context.Background()) })
	l, err := dataset.List(cifar, p.folder.Labels())
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(l.Files), 5000)
	s := &scenario{t: t, pipeline: p}
	var files []string
	var truth []int
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(l.Files)) {
		files, truth = append(files, l.Files[i]), append(truth, int(l.Labels[i]))
	}
	half := len(files) / 2
	s.files, s.truth = files[half:], truth[half:]
	r, err := reference.Build(s.answer(files[:half], asItIs), truth[:half], reference.Options{Source: "one half"})
	require.NoError(t, err)
	s.detector = detector.New(r, detector.Options{})
	return s
}

// asItIs is no corruption.
func asItIs(pixels []byte, _ int) ([]byte, error) { return pixels, nil }

// answer answers the images after spoil has had their pixels, as the model sees them.
func (s *scenario) answer(files []string, spoil func(pixels []byte, i int) ([]byte, error)) []*monitor.Answer {
	s.t.Helper()
	answers := make([]*monitor.Answer, len(files))
	var group errgroup.Group
	group.SetLimit(inFlight)
	for i, file := range files {
		group.Go(func() error {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			pixels := make([]byte, s.pipeline.model.ImageBytes())
			if err := s.pipeline.preprocess.Read(data, vision.Limits{}, predict.Resize, pixels); err != nil {
				return err
			}
			if pixels, err = spoil(pixels, i); err != nil {
				return err
			}
			answers[i], err = s.answerPixels(pixels)
			return err
		})
	}
	require.NoError(s.t, group.Wait())
	return answers
}

func (s *scenario) answerPixels(pixels []byte) (*monitor.Answer, error) {
	m := monitor.NoImage()
	m.Width, m.Height = s.pipeline.preprocess.Width, s.pipeline.preprocess.Height
	return s.pipeline.answerPixels(context.Background(), pixels, m)
}

// alarm tests windows in a row until there is an alarm, and returns after how many answers there was one; 0 for none.
func (s *scenario) alarm(windows [][]*monitor.Answer) (after int, results []*detector.Result) {
	s.t.Helper()
	var a detector.Alarm
	read := 0
	for _, w := range windows {
		r, err := s.detector.Test(w)
		require.NoError(s.t, err)
		results = append(results, r)
		read += len(w)
		a.Step(r.Drifted, r.Until, scenarioInRow)
		if a.Raised && after == 0 {
			after = read
		}
	}
	return after, results
}

func TestDrift(t *testing.T) {
	cifar := os.Getenv("TORCHLIT_CIFAR10")
	if cifar == "" {
		t.Skip("skipped: set TORCHLIT_CIFAR10 to a folder of CIFAR-10's test images, and TORCHLIT_PHOTOS to one of photos")
	}
	s := openScenario(t, cifar)
	clean := s.answer(s.files, asItIs)
	t.Run("clean", func(t *testing.T) { s.with(t).testClean(clean) })
	t.Run("corrupted", func(t *testing.T) { s.with(t).testCorrupted() })
	t.Run("class mix", func(t *testing.T) { s.with(t).testMix(clean) })
	t.Run("photos", func(t *testing.T) {
		dir := os.Getenv("TORCHLIT_PHOTOS")
		if dir == "" {
			t.Skip("skipped: set TORCHLIT_PHOTOS to a folder of photos")
		}
		s.with(t).testPhotos(dir)
	})
}

func (s *scenario) with(t *testing.T) *scenario {
	other := *s
	other.t = t
	return &other
}

// testClean draws a hundred windows of the clean half. If each drifted by chance with 5 %, more than eleven would with 0.4 %.
func (s *scenario) testClean(clean []*monitor.Answer) {
	r := rand.New(rand.NewPCG(2, 2))
	var windows [][]*monitor.Answer
	for range 100 {
		windows = append(windows, draw(r, clean, scenarioWindow))
	}
	after, results := s.alarm(windows)
	drifted := 0
	for _, r := range results {
		if r.Drifted {
			drifted++
		}
		assert.False(s.t, r.Estimate.Unsure && !r.Drifted, "of a window without drift the estimate is unsure: %+v", r.Estimate)
	}
	s.t.Logf("%d of 100 windows drift by chance", drifted)
	assert.LessOrEqual(s.t, drifted, 11)
	assert.Zero(s.t, after, "an alarm")
}

func draw(r *rand.Rand, from []*monitor.Answer, n int) []*monitor.Answer {
	out := make([]*monitor.Answer, n)
	for i, at := range r.Perm(len(from))[:n] {
		out[i] = from[at]
	}
	return out
}

// windowOf is how many images a window needs to notice a corruption: 500 do for all but one, which changes a JPEG as little as saving it once more
// at quality 80 does, and no accuracy.
func windowOf(kind string, severity int) int {
	if kind == "jpeg_compression" && severity == 1 {
		return 2000
	}
	return scenarioWindow
}

// testCorrupted wants an alarm by three windows in a row, and an estimate of the accuracy that is near or says that it is unsure.
func (s *scenario) testCorrupted() {
	for _, kind := range corrupt.Names() {
		for severity := 1; severity <= corrupt.Severities; severity++ {
			n := windowOf(kind, severity)
			count := min(scenarioInRow*n, len(s.files))
			answers := s.answer(s.files[:count], func(pixels []byte, i int) ([]byte, error) {
				return corrupt.Apply(kind, severity, pixels, s.pipeline.preprocess.Width, s.pipeline.preprocess.Height, uint64(i))
			})
			windows := slices.Collect(slices.Chunk(answers, n))
			if scenarioInRow*n > count { // there are not so many images: the windows overlap
				r := rand.New(rand.NewPCG(3, 3))
				windows = [][]*monitor.Answer{draw(r, answers, n), draw(r, answers, n), draw(r, answers, n)}
			}
			after, results := s.alarm(windows)
			accuracy := s.accuracy(answers)
			s.t.Logf("%-17s %d: alarm after %d, by %s; accuracy %.3f, estimated %s", kind, severity, after, results[0].Detector, accuracy, bands(results))
			assert.Equal(s.t, scenarioInRow*n, after, "%s, severity %d: %s", kind, severity, worst(results))
			s.checkEstimates(fmt.Sprintf("%s, severity %d", kind, severity), windows, results, answers)
		}
	}
}

func (s *scenario) accuracy(answers []*monitor.Answer) float64 {
	right := 0
	for i, a := range answers {
		if evaluate.Best(a.Probabilities) == s.truth[i] {
			right++
		}
	}
	return float64(right) / float64(len(answers))
}

// checkEstimates compares with the truth, window by window. answers are the first images of the traffic, in order.
func (s *scenario) checkEstimates(what string, windows [][]*monitor.Answer, results []*detector.Result, answers []*monitor.Answer) {
	truth := map[*monitor.Answer]int{}
	for i, a := range answers {
		truth[a] = s.truth[i]
	}
	for k, w := range windows {
		right := 0
		for _, a := range w {
			if evaluate.Best(a.Probabilities) == truth[a] {
				right++
			}
		}
		accuracy, e := float64(right)/float64(len(w)), results[k].Estimate
		assert.True(s.t, e.Unsure || math.Abs(e.Accuracy-accuracy) <= 0.05, "%s, window %d: accuracy %.3f, estimate %+v", what, k, accuracy, e)
	}
}

func bands(results []*detector.Result) string {
	var out []string
	for _, r := range results {
		out = append(out, estimated(r))
	}
	return strings.Join(out, ", ")
}

func worst(results []*detector.Result) string {
	var out []string
	for _, r := range results {
		out = append(out, fmt.Sprintf("%s p=%.2g", r.Detector, r.P))
	}
	return strings.Join(out, ", ")
}

// testMix lets three classes come twice as often as the others, and one hardly.
func (s *scenario) testMix(clean []*monitor.Answer) {
	r := rand.New(rand.NewPCG(4, 4))
	var mixed []*monitor.Answer
	for _, i := range r.Perm(len(clean)) {
		if c := s.truth[i]; c < 3 || c > 3 && r.Float64() < 0.5 || r.Float64() < 0.1 {
			mixed = append(mixed, clean[i])
		}
	}
	windows := slices.Collect(slices.Chunk(mixed[:len(mixed)/scenarioWindow*scenarioWindow], scenarioWindow))
	for len(windows) < scenarioInRow {
		windows = append(windows, draw(r, mixed, scenarioWindow))
	}
	after, results := s.alarm(windows)
	s.t.Logf("alarm after %d: %s", after, worst(results))
	assert.Equal(s.t, scenarioInRow*scenarioWindow, after)
	for _, r := range results[:scenarioInRow] {
		assert.True(s.t, r.Test(detector.Classes).Drifted, "the mix of classes is what has changed: %+v", r.Test(detector.Classes))
	}
}

// testPhotos takes crops of photos that show none of the classes. They are made as large as the model's images first, so that their size tells nothing.
func (s *scenario) testPhotos(dir string) {
	files, err := imageFiles([]string{dir})
	require.NoError(s.t, err)
	files = slices.DeleteFunc(files, func(f string) bool { return strings.Contains(f, "_hen") || strings.Contains(f, "frog") })
	need := scenarioInRow * scenarioWindow
	answers := make([]*monitor.Answer, need)
	var group errgroup.Group
	group.SetLimit(inFlight)
	for i := range answers {
		group.Go(func() error {
			pixels, err := s.crop(files[i%len(files)], rand.New(rand.NewPCG(5, uint64(i))))
			if err != nil {
				return err
			}
			answers[i], err = s.answerPixels(pixels)
			return err
		})
	}
	require.NoError(s.t, group.Wait())
	after, results := s.alarm(slices.Collect(slices.Chunk(answers, scenarioWindow)))
	s.t.Logf("alarm after %d: %s; %.0f %% of the answers lie further out than 99 %% of the reference", after, worst(results), 100**results[0].Strange)
	assert.Equal(s.t, need, after)
	for _, r := range results {
		assert.Greater(s.t, *r.Strange, 0.05)
		assert.True(s.t, r.Estimate.Unsure, "nobody can say how often it is right about what it has no class for: %+v", r.Estimate)
	}
}

// crop cuts a square of half the photo's side or more out of it.
func (s *scenario) crop(file string, r *rand.Rand) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	photo, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	b := photo.Bounds()
	side := min(b.Dx(), b.Dy())
	side = side/2 + r.IntN(side/2)
	x, y := b.Min.X+r.IntN(b.Dx()-side+1), b.Min.Y+r.IntN(b.Dy()-side+1)
	window := photo.(interface {
		SubImage(image.Rectangle) image.Image
	}).SubImage(image.Rect(x, y, x+side, y+side))
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, window); err != nil {
		return nil, err
	}
	pixels := make([]byte, s.pipeline.model.ImageBytes())
	return pixels, s.pipeline.preprocess.Read(out.Bytes(), vision.Limits{}, predict.Resize, pixels)
}
