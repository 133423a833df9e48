package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/client"
	"github.com/torchlit/torchlit/monitor/watch"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/vision/corrupt"
)

// patterns are the classes of the circle's world: waves of 16×16 pixels that run in one of three directions.
var patterns = []struct {
	class  string
	dx, dy float64
}{{"columns", 1, 0}, {"diagonals", 0.7, 0.7}, {"rows", 0, 1}}

const patternSide = 16

// pattern draws one, in chance colours, with some grain; corrupted as Apply does it, with kind "" not at all.
func pattern(t testing.TB, class int, seed uint64, kind string, severity int) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(class)))
	p := patterns[class]
	phase, length := r.Float64()*2*math.Pi, 3+2*r.Float64()
	var base, amplitude [3]float64
	for c := range 3 {
		base[c], amplitude[c] = 100+60*r.Float64(), 10+12*r.Float64()
	}
	pixels := make([]byte, 0, 3*patternSide*patternSide)
	for y := range patternSide {
		for x := range patternSide {
			wave := math.Sin(2*math.Pi*(p.dx*float64(x)+p.dy*float64(y))/length + phase)
			for c := range 3 {
				pixels = append(pixels, byte(base[c]+amplitude[c]*wave+3*r.NormFloat64()))
			}
		}
	}
	if kind != "" {
		var err error
		pixels, err = corrupt.Apply(kind, severity, pixels, patternSide, patternSide, seed)
		require.NoError(t, err)
	}
	img := image.NewRGBA(image.Rect(0, 0, patternSide, patternSide))
	for i := range patternSide * patternSide {
		img.SetRGBA(i%patternSide, i/patternSide, color.RGBA{pixels[3*i], pixels[3*i+1], pixels[3*i+2], 255})
	}
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, img))
	return out.Bytes()
}

// writePatterns makes an image folder with n images of each class.
func writePatterns(t *testing.T, dir string, n int, seed uint64, kind string, severity int) {
	t.Helper()
	for class, p := range patterns {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, p.class), 0o755))
		for i := range n {
			file := filepath.Join(dir, p.class, fmt.Sprintf("%04d.png", i))
			require.NoError(t, os.WriteFile(file, pattern(t, class, seed+uint64(i), kind, severity), 0o644))
		}
	}
}

// circle is a server that watches its model, and what was sent to it.
type circle struct {
	t      *testing.T
	dir    string // of everything
	server *served
	client *client.Client
	sent   int
	labels strings.Builder // CSV of the true classes
}

// TestCircle goes the whole way round: a model is trained, measured and served; the images that come lose their contrast; the alarm is raised; the
// true classes of some hundred answers come as feedback; a training set is made of them, the model is trained on, compared with the one that serves, and
// takes its place while requests come. In the end it is right about the pale images more often than before, and no request was lost.
func TestCircle(t *testing.T) {
	torchtest.Need(t)
	c := &circle{t: t, dir: t.TempDir()}
	c.prepare()
	c.serve()

	c.send(210, 90_000, "", 0)
	s := c.wait("the first window", func(s *watch.Status) bool { return len(s.Windows) > 0 })
	require.False(t, s.Alarm.Raised)
	before := 0.0
	for i := range 3 { // a window each
		before += c.send(210, 100_000+uint64(1000*i), "contrast", 4) / 3
		s = c.wait("a window of pale images", func(s *watch.Status) bool { return len(s.Windows) > i+1 })
	}
	require.True(t, s.Alarm.Raised, "%+v", s.Newest())
	t.Logf("pale: accuracy %.3f, alarm by %s, estimated %s", before, s.Newest().Detector, estimated(s.Newest()))
	require.Less(t, before, 0.8, "it must hurt, or there is nothing to mend")

	c.label()
	c.wait("the labels", func(s *watch.Status) bool { return s.Accuracy != nil && s.Accuracy.Labelled >= 630 })
	c.retrain()
	after := c.promote()
	t.Logf("after the circle: accuracy %.3f", after)
	require.Greater(t, after, before+0.1)
}

func (c *circle) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

// run runs torchlit, and wants it to succeed.
func (c *circle) run(args ...string) string {
	c.t.Helper()
	out, stderr, code := runCommand(c.t, args...)
	require.Zero(c.t, code, "torchlit %s:\n%s%s", strings.Join(args, " "), out, stderr)
	return out
}

// train runs torchlit train with the tree's configurations, which the test's binary has not beside it.
func (c *circle) train(settings ...string) {
	c.t.Helper()
	configs, err := filepath.Abs(filepath.Join("..", "..", "configs"))
	require.NoError(c.t, err)
	c.run(append([]string{"train", "--config-dir", configs}, settings...)...)
}

// prepare trains the first version and gives it its reference.
func (c *circle) prepare() {
	writePatterns(c.t, c.path("data", "train"), 200, 0, "", 0)
	writePatterns(c.t, c.path("data", "test"), 200, 10_000, "", 0)
	writePatterns(c.t, c.path("pale"), 100, 20_000, "contrast", 4)
	c.train("data=imagefolder", "data.dir="+c.path("data"), fmt.Sprint("data.image_size=", patternSide), "data.batch_size=32", "data.sizes=[]", "augment=none",
		"model=resnet18", "trainer.precision=32", "trainer.max_epochs=2", "optim.lr=0.02", "output_dir="+c.path("first"))
	c.run("export", "--model", c.path("first", "model"), "--reference", c.path("data", "test"), "--output", c.path("models", "waves", "1"))
}

func (c *circle) serve() {
	c.server = serveProgram(c.t, func(cmd *exec.Cmd) { cmd.Dir = c.dir }, "--models", c.path("models"), "--monitor", "--monitor-pictures", "1",
		"--drift-window", "200", "--drift-in-row", "3", "--drift-interval", "200ms", "--watch-interval", "200ms")
	var err error
	c.client, err = client.New(c.server.url)
	require.NoError(c.t, err)
}

// send sends n images of each class in turn, and returns how often the answer was right. Their request ids and classes are kept for label.
func (c *circle) send(n int, seed uint64, kind string, severity int) (accuracy float64) {
	c.t.Helper()
	var wg sync.WaitGroup
	var right atomic.Int64
	places := make(chan struct{}, 8)
	for i := range n {
		class := i % len(patterns)
		body := pattern(c.t, class, seed+uint64(i), kind, severity)
		id := fmt.Sprintf("%s-%d", kind, c.sent)
		c.sent++
		if kind != "" {
			fmt.Fprintf(&c.labels, "%s,%s\n", id, patterns[class].class)
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			a, err := c.client.Classify(context.Background(), body, client.RequestID(id))
			if assert.NoError(c.t, err) && a.Predictions[0].Label == patterns[class].class {
				right.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(right.Load()) / float64(n)
}

// wait asks for the drift of the model until it is as wanted.
func (c *circle) wait(what string, ok func(*watch.Status) bool) *watch.Status {
	c.t.Helper()
	var s watch.Status
	require.Eventually(c.t, func() bool {
		s = watch.Status{}
		r, err := http.Get(c.server.url + "/v1/models/waves/drift")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return json.NewDecoder(r.Body).Decode(&s) == nil && ok(&s)
	}, time.Minute, 50*time.Millisecond, "waiting for %s", what)
	return &s
}

// label sends the true classes of the pale images, as they come later from somewhere else.
func (c *circle) label() {
	file := c.path("labels.csv")
	require.NoError(c.t, os.WriteFile(file, []byte("request_id,label\n"+c.labels.String()), 0o644))
	out := c.run("log", "label", file, "--url", c.server.url, "--model", "waves")
	assert.Contains(c.t, out, "630")
}

// retrain makes the second version, and asks whether it may serve.
func (c *circle) retrain() {
	c.run("data", "from-log", "--dir", c.path("predictions"), "--output", c.path("retrain"), "--max", "450", "--duplicates", "-1")
	c.train("experiment=from-log", "init="+c.path("models", "waves", "1"), "data=imagefolder", "data.dir="+c.path("data"), fmt.Sprint("data.image_size=", patternSide),
		"data.extra_dir="+c.path("retrain"), "data.extra_share=0.5", "optim.lr=0.01", "data.batch_size=32", "augment=none", "trainer.precision=32", "trainer.max_epochs=3", "output_dir="+c.path("second"))
	out := c.run("eval", "--model", c.path("second", "model"), "--compare", c.path("models", "waves", "1"),
		"--data", c.path("data", "test"), "--gain", c.path("pale"), "--max-loss", "0.05")
	c.t.Log(out)
	c.run("export", "--model", c.path("second", "model"), "--reference", c.path("data", "test"), "--output", c.path("second", "ready"))
}

// promote puts the second version into the models folder while requests come, and returns its accuracy on pale images once it serves.
func (c *circle) promote() float64 {
	stop, done := make(chan struct{}), make(chan struct{})
	var lost, answered atomic.Int64
	go func() {
		defer close(done)
		for i := uint64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := c.client.Classify(context.Background(), pattern(c.t, 0, 200_000+i, "", 0)); err != nil {
				c.t.Log(err)
				lost.Add(1)
			}
			answered.Add(1)
		}
	}()
	hidden := c.path("models", "waves", ".2")
	require.NoError(c.t, os.Rename(c.path("second", "ready"), hidden))
	require.NoError(c.t, os.Rename(hidden, c.path("models", "waves", "2")))
	require.Eventually(c.t, func() bool {
		a, err := c.client.Classify(context.Background(), pattern(c.t, 0, 1, "", 0))
		return err == nil && a.Version == "2"
	}, time.Minute, 50*time.Millisecond, "waiting for version 2")
	after := c.send(300, 300_000, "contrast", 4)
	close(stop)
	<-done
	assert.Zero(c.t, lost.Load(), "of %d requests", answered.Load())
	assert.Greater(c.t, answered.Load(), int64(10))
	return after
}
