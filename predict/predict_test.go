package predict

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/engine"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

var _ batching.Runner[[]byte, []float32] = (*Runner)(nil)

//go:embed testdata/goldens.json
var goldensJSON []byte

type golden struct {
	Architecture string
	Stem         resnet.Stem
	Size         int
	Logits       [][]float32
}

func goldens(tb testing.TB) []golden {
	var file struct{ Networks []golden }
	if err := json.Unmarshal(goldensJSON, &file); err != nil {
		tb.Fatal(err)
	}
	return file.Networks
}

func images(r *Runner, n int) [][]byte {
	in := make([][]byte, n)
	for i := range in {
		in[i] = seededImage(fmt.Sprintf("image%d", i), r.imageBytes)
	}
	return in
}

func mustLogits(tb testing.TB, r *Runner, in [][]byte) [][]float32 {
	tb.Helper()
	out := make([][]float32, len(in))
	if err := r.Logits(in, out); err != nil {
		tb.Fatal(err)
	}
	return out
}

func mustBeNear(tb testing.TB, got, want [][]float32, tolerance float64) {
	tb.Helper()
	for i := range want {
		if len(got[i]) != len(want[i]) {
			tb.Fatalf("image %d has %d values; want %d", i, len(got[i]), len(want[i]))
		}
		for c := range want[i] {
			if d := math.Abs(float64(got[i][c] - want[i][c])); !(d <= tolerance) {
				tb.Errorf("image %d, class %d: got %v; want %v within %v", i, c, got[i][c], want[i][c], tolerance)
			}
		}
	}
}

// TestLogitsEqualPyTorch compares with plain PyTorch, for the fused operators
// and for the public ones.
func TestLogitsEqualPyTorch(t *testing.T) {
	for _, g := range goldens(t) {
		n := mustNetwork(t, g.Architecture, g.Stem, g.Size, int64(len(g.Logits[0])))
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s%s/%dpx/plain=%v", g.Architecture, g.Stem, g.Size, plain), func(t *testing.T) {
				r := mustRunner(t, mustModel(t, n, Options{MaxBatch: 4, Plain: plain, Threads: 2}))
				mustBeNear(t, mustLogits(t, r, images(r, len(g.Logits))), g.Logits, 1e-4)
			})
		}
	}
}

// TestLogitsEqualTheTrainedNetworks compares with the network that is trained, in
// evaluation.
func TestLogitsEqualTheTrainedNetworks(t *testing.T) {
	f := func(architecture string, stem resnet.Stem, size int) {
		t.Helper()
		n := mustNetwork(t, architecture, stem, size, 5)
		r := mustRunner(t, mustModel(t, n, Options{MaxBatch: 2, Threads: 2}))
		in := images(r, 2)
		net := resnet.New(n.Spec)
		defer net.Close()
		net.Train(false)
		want := make([][]float32, len(in))
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			state := map[string]torch.Tensor{}
			for name := range net.StateDict() {
				v, _ := n.Weights.Tensor(name)
				state[name] = torch.FromBytes(v.Data, torch.Float, v.Shape...)
			}
			if err := net.SetStateDict(state); err != nil {
				t.Fatal(err)
			}
			for i, image := range in {
				x := make([]float32, len(image)) // planar
				for p := range size * size {
					for c := range 3 {
						x[c*size*size+p] = (float32(image[3*p+c])/255 - n.Mean[c]) / n.Std[c]
					}
				}
				torch.NoGrad(func() {
					want[i] = torch.Slice[float32](net.Forward(torch.FromSlice(x, 1, 3, int64(size), int64(size))))
				})
			}
		})
		mustBeNear(t, mustLogits(t, r, in), want, 1e-4)
	}
	f("resnet18", resnet.CIFARStem, 32)
	f("resnet34d", resnet.ImageNetStem, 65)
	f("resnet26d", resnet.CIFARStem, 13)
	f("resnext50d_32x4d", resnet.ImageNetStem, 70)
}

// TestBatchEqualsSingles also crosses the sizes at which a batch runs as several
// chunks.
func TestBatchEqualsSingles(t *testing.T) {
	f := func(architecture string, stem resnet.Stem, size, batch int) {
		t.Helper()
		r := mustRunner(t, mustModel(t, mustNetwork(t, architecture, stem, size, 10), Options{MaxBatch: batch, Threads: 1}))
		in := images(r, batch)
		want := make([][]float32, batch)
		for i := range in {
			want[i] = mustLogits(t, r, in[i:i+1])[0]
		}
		mustBeNear(t, mustLogits(t, r, in), want, 1e-5)
		mustBeNear(t, mustLogits(t, r, in[:batch-1]), want[:batch-1], 1e-5)
	}
	f("resnet18", resnet.ImageNetStem, 224, 11)
	f("resnet18", resnet.CIFARStem, 32, 7)
	f("resnet50", resnet.ImageNetStem, 64, 5)
}

// TestEverySizeHasItsWeights runs sizes and numbers of threads for which oneDNN may ask
// for different layouts of the same weights, as engines that share them.
func TestEverySizeHasItsWeights(t *testing.T) {
	n := mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10)
	const largest = 9
	plain := mustRunner(t, mustModel(t, n, Options{MaxBatch: largest, Plain: true, Threads: 1}))
	in := images(plain, largest)
	want := mustLogits(t, plain, in)
	m := mustModel(t, n, Options{MaxBatch: largest, Precision: FP32, Runners: 2, Threads: 2})
	for threads := 1; threads <= 2; threads++ {
		r := mustRunner(t, m)
		if err := engine.SetThreads(threads); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			for size := 1; size <= largest; size++ {
				mustBeNear(t, mustLogits(t, r, in[:size]), want[:size], 1e-5)
			}
		}
	}
}

func TestRunGivesProbabilities(t *testing.T) {
	n := mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10)
	n.Temperature = 2
	r := mustRunner(t, mustModel(t, n, Options{MaxBatch: 2, Threads: 1}))
	in, out := images(r, 2), make([][]float32, 2)
	if err := r.Run(in, out); err != nil {
		t.Fatal(err)
	}
	for i, logits := range mustLogits(t, r, in) {
		sum, want := 0.0, make([]float64, len(logits))
		for c, x := range logits {
			want[c] = math.Exp(float64(x) / 2)
			sum += want[c]
		}
		for c := range want {
			if d := math.Abs(float64(out[i][c]) - want[c]/sum); d > 1e-6 {
				t.Errorf("image %d, class %d: got %v; want %v", i, c, out[i][c], want[c]/sum)
			}
		}
	}
}

func TestSoftmax(t *testing.T) {
	f := func(x []float32, temperature float64, want []float32) {
		t.Helper()
		got := append([]float32(nil), x...)
		softmax(got, temperature)
		mustBeNear(t, [][]float32{got}, [][]float32{want}, 1e-6)
	}
	f([]float32{0, 0}, 1, []float32{0.5, 0.5})
	f([]float32{1000, 0}, 1, []float32{1, 0}) // no overflow
	f([]float32{-1000, -1000}, 1, []float32{0.5, 0.5})
	f([]float32{0, 2}, 2, []float32{0.26894143, 0.7310586})
}

// TestRunnersStorm runs several runners at once, whose answers must not depend
// on each other, and makes and closes some meanwhile.
func TestRunnersStorm(t *testing.T) {
	m := mustModel(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10), Options{MaxBatch: 4, Runners: 4, Threads: 1})
	first := mustRunner(t, m)
	in := images(first, 4)
	want := mustLogits(t, first, in)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r, err := m.NewRunner()
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			for i := range 6 {
				n := 1 + (g+i)%4
				out := make([][]float32, n)
				if err := r.Logits(in[:n], out); err != nil {
					t.Error(err)
				}
				mustBeNear(t, out, want[:n], 1e-5)
			}
		})
	}
	wg.Wait()
}

func TestRunnerOutlivesModel(t *testing.T) {
	m := mustModel(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 16, 10), Options{MaxBatch: 2, Threads: 1})
	r := mustRunner(t, m)
	want := mustLogits(t, r, images(r, 2))
	m.Close()
	mustBeNear(t, mustLogits(t, r, images(r, 2)), want, 0)
	if _, err := m.NewRunner(); err == nil {
		t.Error("a closed model made a runner")
	}
	r.Close()
	r.Close()
}

func TestRunRefuses(t *testing.T) {
	r := mustRunner(t, mustModel(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 16, 10), Options{MaxBatch: 2, Threads: 1}))
	good := images(r, 3)
	f := func(in [][]byte, want string) {
		t.Helper()
		err := r.Run(in, make([][]float32, len(in)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v; want one with %q", err, want)
		}
	}
	f(nil, "takes 1 to 2")
	f(good, "takes 1 to 2")
	f([][]byte{good[0], good[1][1:]}, "image 1 of the batch: it has 767 bytes, want 768")
	mustLogits(t, r, good[:2]) // and it runs on
}

func TestNewRefuses(t *testing.T) {
	f := func(change func(*Network, *Options), want string) {
		t.Helper()
		n, opts := mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10), Options{}
		change(&n, &opts)
		torchtest.Need(t)
		m, err := New(n, opts)
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v; want one with %q", err, want)
		}
	}
	weights := func(n *Network) *seededWeights { return n.Weights.(*seededWeights) }
	f(func(_ *Network, o *Options) { o.Device = "cuda:0" }, `device "cuda:0"`)
	f(func(_ *Network, o *Options) { o.Precision = "int8" }, `precision "int8"`)
	f(func(_ *Network, o *Options) { o.MaxBatch = -1 }, "positive numbers")
	f(func(n *Network, _ *Options) { n.Width = 0 }, "0×32")
	f(func(n *Network, _ *Options) { n.Std[1] = 0 }, "std of 0")
	f(func(n *Network, _ *Options) { n.Temperature = math.NaN() }, "temperature of NaN")
	f(func(n *Network, _ *Options) { weights(n).without = "layer3.0.downsample.1.running_var" },
		`tensor "layer3.0.downsample.1.running_var" is missing`)
	f(func(n *Network, _ *Options) { weights(n).tensors["fc.weight"] = []int64{11, 512} },
		`tensor "fc.weight" has shape [11 512], want [10 512]`)
	f(func(n *Network, _ *Options) {
		v, _ := n.Weights.Tensor("bn1.bias")
		copy(v.Data[4:], []byte{0, 0, 0xc0, 0x7f})
	}, `tensor "bn1.bias" holds NaN at element 1`)
}

func TestCost(t *testing.T) {
	m := mustModel(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10), Options{MaxBatch: 8, Threads: 1})
	cost := m.Cost()
	if got := cost(1); got != 0 {
		t.Errorf("cost before a runner was made: got %v; want 0", got)
	}
	mustRunner(t, m)
	for n, before := 1, time.Duration(0); n <= 8; n++ {
		if cost(n) <= 0 || cost(n) < before {
			t.Errorf("cost of %d: got %v; want at least %v, that of one less", n, cost(n), before)
		}
		before = cost(n)
	}
}

func TestCostTable(t *testing.T) {
	f := func(n int, want time.Duration) {
		t.Helper()
		table := costTable{{1, 10}, {2, 14}, {4, 20}, {8, 40}}
		if got := table.of(n); got != want {
			t.Errorf("cost of %d: got %d; want %d", n, got, want)
		}
	}
	f(0, 0)
	f(1, 10)
	f(2, 14)
	f(3, 17)
	f(6, 30)
	f(8, 40)
	f(16, 80) // not measured: in proportion
}
