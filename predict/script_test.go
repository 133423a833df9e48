package predict

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/modeldir"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

const scripts = "testdata/scripts/" // make_scripts.py

// mustScript makes a model folder of a module there, for 8×8 images and four classes.
func mustScript(tb testing.TB, module string, edit func(*modeldir.Folder)) string {
	tb.Helper()
	torchtest.Need(tb)
	f := &modeldir.Folder{Config: modeldir.DefaultConfig("", 4)}
	f.Config.Pretrained.InputSize = [3]int{3, 8, 8}
	if edit != nil {
		edit(f)
	}
	dir := filepath.Join(tb.TempDir(), "model")
	err := modeldir.Write(dir, f, func(tmp string) error {
		data, err := os.ReadFile(scripts + module)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(tmp, modeldir.TorchScriptFile), data, 0o600)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

func mustOpen(tb testing.TB, dir string, opts Options) *Model {
	tb.Helper()
	m, err := Open(dir, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	return m
}

// scriptLogits are what PyTorch computes for the first images.
func scriptLogits(tb testing.TB) [][]float32 {
	tb.Helper()
	var golden struct{ Logits [][]float32 }
	data, err := os.ReadFile(scripts + "goldens.json")
	if err == nil {
		err = json.Unmarshal(data, &golden)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return golden.Logits
}

// TestScripts: whatever form its answer has, a module's probabilities are those of PyTorch.
func TestScripts(t *testing.T) {
	want := scriptLogits(t)
	for i := range want {
		softmax(want[i], 2)
	}
	f := func(module, output string, maxBatch int, tolerance float64) {
		t.Helper()
		temperature := 2.0
		dir := mustScript(t, module, func(f *modeldir.Folder) { f.Extras.Output, f.Extras.Temperature = output, &temperature })
		m := mustOpen(t, dir, Options{MaxBatch: 4, Threads: 1})
		if got := m.Options().MaxBatch; got != maxBatch || m.Classes() != 4 {
			t.Errorf("%s: got batches of %d, %d classes; want %d, 4", module, got, m.Classes(), maxBatch)
		}
		r := mustRunner(t, m)
		in, out := images(r, len(want)), make([][]float32, len(want))
		for i := 0; i < len(in); i += maxBatch {
			if err := r.Run(in[i:min(i+maxBatch, len(in))], out[i:min(i+maxBatch, len(in))]); err != nil {
				t.Fatal(module, err)
			}
		}
		mustBeNear(t, out, want, tolerance)
	}
	f("plain.pt", "", 4, 1e-6)
	f("plain.pt", modeldir.OutputLogits, 4, 1e-6)
	f("bright.pt", "", 4, 1e-6)
	f("single.pt", "", 1, 1e-6)
	f("tuple.pt", "", 4, 1e-6)
	f("dictionary.pt", "", 4, 1e-6)
	f("probabilities.pt", modeldir.OutputProbabilities, 4, 1e-6)
	f("bfloat16.pt", "", 4, 1e-2)
}

// TestScriptIsRefused: what cannot answer is refused when it is opened.
func TestScriptIsRefused(t *testing.T) {
	f := func(module, want string, edit func(*modeldir.Folder)) {
		t.Helper()
		m, err := Open(mustScript(t, module, edit), Options{})
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v; want one with %q", err, want)
		}
	}
	f("features.pt", "its forward returns a tensor [1 5] for 1 images, want [1, 4]; correct num_classes", nil)
	f("plain.pt", "its forward returns a tensor [1 4] for 1 images, want [1, 3]", func(f *modeldir.Folder) { f.Config = smaller(f.Config) })
	f("goldens.json", "cannot load a module from", nil)
}

func smaller(c modeldir.Config) modeldir.Config {
	pretrained := c.Pretrained
	c = modeldir.DefaultConfig("", 3)
	c.Pretrained = pretrained
	return c
}

func bright(r *Runner) []byte {
	white := make([]byte, r.imageBytes)
	for i := range white {
		white[i] = 255
	}
	return white
}

// TestGuiltyImage: of a batch with an image that the module refuses, only that one gets the module's error.
func TestGuiltyImage(t *testing.T) {
	m := mustOpen(t, mustScript(t, "bright.pt", nil), Options{MaxBatch: 8, Threads: 1})
	r := mustRunner(t, m)
	want := make([][]float32, 3)
	if err := r.Run(images(r, 3), want); err != nil {
		t.Fatal(err)
	}
	err := r.Run([][]byte{images(r, 1)[0], bright(r)}, make([][]float32, 2))
	if !errors.Is(err, ErrForward) || !strings.Contains(err.Error(), "too bright") {
		t.Fatalf("got %v; want the module's error", err)
	}
	gate := make(chan struct{})
	b, err := batching.Open(batching.Config[[]byte, []float32]{
		NewRunner: func(int) (batching.Runner[[]byte, []float32], error) {
			r, err := m.NewRunner()
			return gated{r, gate}, err
		},
		MaxBatch: 8,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var wg sync.WaitGroup
	for i := range 15 { // the first runs alone, the others in batches
		wg.Go(func() {
			guilty := i%5 == 4
			image := seededImage(fmt.Sprintf("image%d", i%3), r.imageBytes)
			if guilty {
				image = bright(r)
			}
			result, err := b.Do(context.Background(), image)
			switch {
			case guilty && !errors.Is(err, ErrForward):
				t.Errorf("a bright image: got %v, %v", result.Value, err)
			case !guilty && err != nil:
				t.Errorf("an innocent image: %v", err)
			case !guilty:
				mustBeNear(t, [][]float32{result.Value}, [][]float32{want[i%3]}, 1e-5)
			}
		})
	}
	close(gate)
	wg.Wait()
}

// gated is a Runner that waits for its gate to be closed.
type gated struct {
	*Runner
	gate chan struct{}
}

func (g gated) Run(in [][]byte, out [][]float32) error {
	<-g.gate
	return g.Runner.Run(in, out)
}

// planesOf normalises an image as a client does that sends floats.
func planesOf(image []byte, n Network) []byte {
	pixels := len(image) / 3
	planes := make([]byte, 0, 4*len(image))
	for c := range 3 {
		for p := range pixels {
			x := (float32(image[3*p+c])/255 - n.Mean[c]) / n.Std[c]
			planes = binary.LittleEndian.AppendUint32(planes, math.Float32bits(x))
		}
	}
	return planes
}

// TestPlanes: an image that comes normalised is answered as the same image in bytes, also beside such images.
func TestPlanes(t *testing.T) {
	f := func(m *Model) {
		t.Helper()
		r := mustRunner(t, m)
		in := images(r, 4)
		want := mustLogits(t, r, in)
		floats := make([][]byte, len(in))
		for i := range in {
			floats[i] = planesOf(in[i], m.Network())
		}
		mustBeNear(t, mustLogits(t, r, floats), want, 0)
		odd := append([]byte{0}, floats[1]...)[1:] // begins at an odd address
		mustBeNear(t, mustLogits(t, r, [][]byte{in[0], odd, floats[2], in[3]}), want, 1e-5)
		mustBeNear(t, mustLogits(t, r, [][]byte{floats[0], in[1], in[2]}), want[:3], 1e-5)
		if err := r.Run([][]byte{in[0], floats[0][4:]}, make([][]float32, 2)); err == nil {
			t.Error("planes that are too short were run")
		}
	}
	f(mustOpen(t, mustScript(t, "plain.pt", nil), Options{MaxBatch: 4, Threads: 1}))
	f(mustModel(t, mustNetwork(t, "resnet18", "cifar", 32, 10), Options{MaxBatch: 4, Threads: 1}))
	f(mustModel(t, mustNetwork(t, "resnet18", "", 64, 10), Options{MaxBatch: 4, Threads: 1, Plain: true}))
}

// TestScriptsStorm: runners of one module run at once, some come and go, and the last one frees the module.
func TestScriptsStorm(t *testing.T) {
	live := torch.LiveTensors()
	m := mustOpen(t, mustScript(t, "bright.pt", nil), Options{MaxBatch: 4, Threads: 1, Runners: 4})
	want := scriptLogits(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				r, err := m.NewRunner()
				if err != nil {
					t.Error(err)
					return
				}
				out := make([][]float32, len(want))
				if err := r.Logits(images(r, len(want)), out); err != nil {
					t.Error(err)
				}
				mustBeNear(t, out, want, 1e-5)
				if err := r.Run([][]byte{bright(r)}, make([][]float32, 1)); !errors.Is(err, ErrForward) {
					t.Errorf("got %v; want the module's error", err)
				}
				r.Close()
			}
		})
	}
	wg.Wait()
	last := mustRunner(t, m)
	m.Close()
	mustBeNear(t, mustLogits(t, last, images(last, len(want))), want, 1e-5)
	last.Close()
	if got := torch.LiveTensors(); got != live {
		t.Errorf("%d tensors live; %d did before", got, live)
	}
}
