package predict

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/torchlit/torchlit/torch/engine"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// needPrecision skips where this machine cannot run a precision. Without VNNI oneDNN
// halves the weights of int8, lest sums of 16 bits overflow: they are no yardstick.
func needPrecision(tb testing.TB, precision string) {
	tb.Helper()
	torchtest.Need(tb)
	machine, err := Supports()
	if err != nil {
		tb.Fatal(err)
	}
	if has := machine[precision]; !has.Runs || precision == Int8 && !has.Fast {
		tb.Skipf("this CPU or libtorch cannot run %s, or has no instructions for it", precision)
	}
}

// trace returns each step's result on two images.
func trace(tb testing.TB, n Network, precision string, plain bool) (names []string, results [][]float32) {
	tb.Helper()
	e, err := n.open(precision, Options{Plain: plain})
	if err != nil {
		tb.Fatal(err)
	}
	defer e.Close()
	steps, err := compile(n.Spec, n.Weights)
	if err != nil {
		tb.Fatal(err)
	}
	shapes, err := e.Shapes(len(steps))
	if err != nil {
		tb.Fatal(err)
	}
	err = traceAll(e, shapes, calibrationImages(n, 2), func(i int, values []float32) {
		names = append(names, steps[i].Name)
		results = append(results, append([]float32(nil), values...))
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names, results
}

func calibrationImages(n Network, count int) [][]byte {
	out := make([][]byte, count)
	for i := range out {
		out[i] = seededImage(string(rune('a'+i)), 3*n.Width*n.Height)
	}
	return out
}

// noise is the root mean square of the difference over that of what is wanted.
func noise(got, want []float32) float64 {
	d, s := 0.0, 0.0
	for i, w := range want {
		d += float64(got[i]-w) * float64(got[i]-w)
		s += float64(w) * float64(w)
	}
	return math.Sqrt(d / max(s, 1e-30))
}

// mustBeLike compares all layers. Errors of one layer are in the next one's input:
// tolerances are of the last layers, where they have added up.
func mustBeLike(t *testing.T, n Network, precision string, tolerance float64) {
	t.Helper()
	names, want := trace(t, n, FP32, true)
	_, got := trace(t, n, precision, false)
	worst := 0.0
	for i, name := range names {
		e := noise(got[i], want[i])
		if !(e <= tolerance) {
			t.Errorf("%s, %s at %d px, step %d (%s): differs from fp32 by %.4f of its root mean square; %.4f is allowed",
				precision, n.Spec.Architecture, n.Width, i, name, e, tolerance)
		}
		worst = max(worst, e)
	}
	t.Logf("%s, %s at %d px: at most %.4f, of the logits %.4f", precision, n.Spec.Architecture, n.Width, worst, noise(got[len(got)-1], want[len(want)-1]))
}

// TestBF16LayerByLayer: a bf16 has 8 bits, so one rounding is 2^-9 at most and about
// 0.0011 in the mean square; weights and activations are rounded, and residuals carry
// the errors of the layers before them: some times that.
func TestBF16LayerByLayer(t *testing.T) {
	needPrecision(t, BF16)
	mustBeLike(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10), BF16, 0.01)
	mustBeLike(t, mustNetwork(t, "resnet18", resnet.ImageNetStem, 64, 10), BF16, 0.01)
	mustBeLike(t, mustNetwork(t, "resnet26d", resnet.ImageNetStem, 65, 10), BF16, 0.01)
	mustBeLike(t, mustNetwork(t, "resnext50d_32x4d", resnet.ImageNetStem, 33, 10), BF16, 0.01)
}

func calibrated(tb testing.TB, n Network, method string, floatInput bool) Network {
	tb.Helper()
	c, err := Calibrate(n, calibrationImages(n, 4), method, floatInput)
	if err != nil {
		tb.Fatal(err)
	}
	n.Calibration = c
	return n
}

// TestInt8LayerByLayer: half a step of 255 is 0.002 of the range, and the root mean
// square of an activation is about a third of it or less: 0.006 and more from each of
// the layers that a residual has come through.
func TestInt8LayerByLayer(t *testing.T) {
	needPrecision(t, Int8)
	f := func(architecture string, stem resnet.Stem, size int, floatInput bool, tolerance float64) {
		t.Helper()
		mustBeLike(t, calibrated(t, mustNetwork(t, architecture, stem, size, 10), MSE, floatInput), Int8, tolerance)
	}
	f("resnet18", resnet.CIFARStem, 16, false, 0.04)
	f("resnet18", resnet.CIFARStem, 16, true, 0.04)
	f("resnet18", resnet.ImageNetStem, 64, false, 0.04) // the first layer by blocks
	f("resnet18", resnet.ImageNetStem, 33, true, 0.04)
	f("resnext50d_32x4d", resnet.ImageNetStem, 33, false, 0.03)
}

// TestInt8FusedIsPlain: oneDNN's integers against the same arithmetic in floats. A
// byte may be the next one where a result lies between two, and what reads it differs
// a little then, some layers later by more than half a byte; a wrong scale, zero or order of the additions would differ by much.
func TestInt8FusedIsPlain(t *testing.T) {
	needPrecision(t, Int8)
	for _, architecture := range []string{"resnet26d", "resnet18"} {
		n := calibrated(t, mustNetwork(t, architecture, resnet.ImageNetStem, 64, 10), MinMax, false)
		names, want := trace(t, n, Int8, true)
		_, got := trace(t, n, Int8, false)
		for i, name := range names {
			tolerance := 0.02
			if i == 0 { // all of it reads the same
				tolerance = 0.001
			}
			if e := noise(got[i], want[i]); e > tolerance {
				t.Errorf("%s, step %d (%s): differs by %.4f of its root mean square; want %.4f at most", architecture, i, name, e, tolerance)
			}
		}
	}
}

// TestLowPrecisionBatches: chunks, batches and planes give what single images give.
func TestLowPrecisionBatches(t *testing.T) {
	for _, precision := range []string{BF16, Int8} {
		t.Run(precision, func(t *testing.T) {
			needPrecision(t, precision)
			n := calibrated(t, mustNetwork(t, "resnet18", resnet.ImageNetStem, 64, 10), MSE, false)
			r := mustRunner(t, mustModel(t, n, Options{MaxBatch: 5, Threads: 1, Precision: precision}))
			in := images(r, 5)
			want := make([][]float32, len(in))
			for i := range in {
				want[i] = mustLogits(t, r, in[i:i+1])[0]
			}
			mustBeNear(t, mustLogits(t, r, in), want, 1e-5)
			planes := make([][]byte, len(in))
			for i := range in {
				planes[i] = asPlanes(n, in[i])
			}
			mustBeNear(t, mustLogits(t, r, planes), want, 1e-5)
		})
	}
}

func TestStepRefusesBytes(t *testing.T) {
	torchtest.Need(t)
	n := mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10)
	config, steps, err := n.program(false)
	if err != nil {
		t.Fatal(err)
	}
	config.Precision = engine.Int8
	steps[0].Bytes = engine.Bytes{Scale: -1}
	if e, err := engine.Open(config, steps); err == nil {
		e.Close()
		t.Error("a negative scale was taken")
	}
}

// asPlanes is an image as normalised floats, little-endian, plane by plane.
func asPlanes(n Network, image []byte) []byte {
	plane := n.Width * n.Height
	out := make([]byte, 4*len(image))
	for c := range 3 {
		for p := range plane {
			x := (float32(image[3*p+c])/255 - n.Mean[c]) / n.Std[c]
			binary.LittleEndian.PutUint32(out[4*(c*plane+p):], math.Float32bits(x))
		}
	}
	return out
}
