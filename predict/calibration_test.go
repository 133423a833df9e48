package predict

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

const smallCalibration = `{"version":1,"method":"mse","images":2,"input":{"scale":0.02,"zero":114},
"layers":{"conv1":{"scale":0.1,"zero":0,"weight_max":0.5,"bias":"AACAPwAAAL8="}},
"accuracy":{"fp32":0.9,"bf16":0.9,"int8":0.899,"images":100}}`

func TestParseCalibration(t *testing.T) {
	c, err := ParseCalibration([]byte(smallCalibration))
	if err != nil {
		t.Fatal(err)
	}
	l := c.Layers["conv1"]
	if c.Input == nil || c.Input.Zero != 114 || l.Scale != 0.1 || len(l.Bias) != 2 || l.Bias[0] != 1 || l.Bias[1] != -0.5 {
		t.Errorf("got %+v", c)
	}
	for _, nothing := range []string{"", "null"} {
		if c, err := ParseCalibration([]byte(nothing)); c != nil || err != nil {
			t.Errorf("%q: got %v, %v; want nothing", nothing, c, err)
		}
	}
	f := func(from, to, want string) {
		t.Helper()
		text := strings.Replace(smallCalibration, from, to, 1)
		if text == smallCalibration {
			t.Fatalf("%q is not in the calibration", from)
		}
		_, err := ParseCalibration([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "torchlit export --int8") {
			t.Errorf("%s: got error %v; want one with %q and what to do", to, err, want)
		}
	}
	f(`"version":1`, `"version":2`, "version 2, this program reads version 1")
	f(`"scale":0.02`, `"scale":0`, "input: a scale of 0")
	f(`"zero":114`, `"zero":256`, "a zero of 256 is no byte")
	f(`"scale":0.1`, `"scale":-1`, `layer "conv1": a scale of -1`)
	f(`"weight_max":0.5`, `"weight_max":-1`, "largest weight of -1")
	f(`AACAPwAAAL8=`, `AACAPwAA`, "no whole number of float32")
	f(`AACAPwAAAL8=`, `AADAfwAAAL8=`, "not finite")
	f(`AACAPwAAAL8=`, `*`, "base64")
	f(`"int8":0.899`, `"int8":1.5`, "accuracy of 1.5")
	f(`{"conv1":`, `{},"x":{"conv1":`, "no layers")
}

// FuzzParseCalibration: what is taken can be written and read again, and has nothing
// that the engine would choke on.
func FuzzParseCalibration(f *testing.F) {
	f.Add([]byte(smallCalibration))
	f.Add([]byte(`{"version":1,"layers":{"":{"scale":1e12,"bias":""}}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCalibration(data)
		if err != nil || c == nil {
			return
		}
		for name, l := range c.Layers {
			if inverse := float32(1 / l.Scale); inverse <= 0 || math.IsInf(float64(inverse), 0) || l.Zero < 0 || l.Zero > 255 {
				t.Fatalf("layer %q: took a scale of %v and a zero of %d", name, l.Scale, l.Zero)
			}
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCalibration(again); err != nil {
			t.Fatalf("cannot read back %s: %v", again, err)
		}
	})
}

func TestCalibrationOfOtherWeights(t *testing.T) {
	needPrecision(t, Int8)
	n := calibrated(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 16, 10), MSE, false)
	f := func(change func(c *Calibration), want string) {
		t.Helper()
		copied := *n.Calibration
		copied.Layers = map[string]Layer{}
		for name, l := range n.Calibration.Layers {
			copied.Layers[name] = l
		}
		change(&copied)
		other := n
		other.Calibration = &copied
		m, err := New(other, Options{Precision: Int8})
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v; want one with %q", err, want)
		}
	}
	layer := func(c *Calibration, change func(*Layer)) {
		l := c.Layers["layer2.0.conv1"]
		change(&l)
		c.Layers["layer2.0.conv1"] = l
	}
	f(func(c *Calibration) { layer(c, func(l *Layer) { l.WeightMax *= 1.1 }) }, `the largest weight of "layer2.0.conv1"`)
	f(func(c *Calibration) { layer(c, func(l *Layer) { l.Bias = l.Bias[1:] }) }, "127 channels")
	f(func(c *Calibration) { delete(c.Layers, "conv1") }, `no layer "conv1"`)
	f(func(c *Calibration) { c.Layers["more"] = Layer{} }, "21 layers, the network 20")
}

// TestBiasCorrection: with coarse weights the means of int8 are nearer to those of
// fp32 with the correction than without.
func TestBiasCorrection(t *testing.T) {
	needPrecision(t, Int8)
	n := calibrated(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10), MSE, false)
	_, want := trace(t, n, FP32, false)
	off := func(n Network) float64 {
		_, got := trace(t, n, Int8, false)
		return math.Abs(mean(got[0]) - mean(want[0]))
	}
	with := off(n)
	without := *n.Calibration
	without.Layers = map[string]Layer{}
	for name, l := range n.Calibration.Layers {
		l.Bias = make(Floats, len(l.Bias))
		without.Layers[name] = l
	}
	n.Calibration = &without
	if bare := off(n); with > bare {
		t.Errorf("the first layer's mean is off by %g with the correction, %g without", with, bare)
	}
}

func mean(values []float32) float64 {
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	return sum / float64(len(values))
}

func TestHistogramRanges(t *testing.T) {
	fill := func(low, high float64, values ...float32) *histogram {
		h := &histogram{low: low, high: high}
		h.add(values)
		return h
	}
	near := func(got, want float64) bool { return math.Abs(got-want) < 0.02*math.Abs(want) }
	f := func(h *histogram, method string, low, high float64) {
		t.Helper()
		r := h.choose(method)
		if gotLow, gotHigh := -r.Scale*float64(r.Zero), r.Scale*float64(255-r.Zero); !near(gotHigh, high) || math.Abs(gotLow-low) > 0.02*high {
			t.Errorf("%s: got %v to %v; want %v to %v", method, gotLow, gotHigh, low, high)
		}
	}
	// 99,999 values up to 1, evenly, and one at 100.
	values := make([]float32, 100000)
	for i := range values {
		values[i] = float32(i) / 100000
	}
	values[0] = 100
	f(fill(0, 100, values...), MinMax, 0, 100)
	f(fill(0, 100, values...), Percentile, 0, 1.03) // to the edge of a bin
	// One value in a thousand is twice as large as the others: clipping it costs more
	// than it gains.
	f(fill(0, 2, append(values[1:1000:1000], 2)...), MSE, 0, 2)
	f(fill(-1, 1, -1, 0.5, 1), MSE, -1, 1)
	if r := fill(0, 0, 0, 0).choose(MSE); r.validate() != nil || r.Zero != 0 {
		t.Errorf("nothing but zeros: got %+v", r)
	}
	h := fill(0, 4, values[1:]...)
	for i := range h.counts {
		h.counts[i] *= 100
	}
	h.counts[histogramBins-1]++
	if r := h.choose(MSE); r.Scale*255 > 1.3 {
		t.Errorf("one value of 4 among ten million below 1: the range goes to %v; want it clipped", r.Scale*255)
	}
}

func TestChoosePrecision(t *testing.T) {
	good := &Calibration{Accuracy: Accuracy{FP32: 0.9, BF16: 0.8995, Int8: 0.898, Images: 10}}
	all := map[string]Support{FP32: {true, true}, BF16: {true, true}, Int8: {true, true}}
	noVNNI := map[string]Support{FP32: {true, true}, BF16: {true, true}, Int8: {true, false}}
	old := map[string]Support{FP32: {true, true}}
	f := func(asked string, machine map[string]Support, c *Calibration, want, word string) {
		t.Helper()
		got, why, err := ChoosePrecision(asked, machine, c)
		if err != nil {
			why = err.Error()
		}
		if got != want || !strings.Contains(why, word) {
			t.Errorf("%s: got %q, %q; want %q, with %q", asked, got, why, want, word)
		}
	}
	f("auto", all, good, Int8, "89.80 % in int8, 90.00 % in fp32")
	f("", noVNNI, good, BF16, "89.95 % in bf16")
	f("auto", old, good, FP32, "no instructions")
	f("auto", all, nil, FP32, "export --int8")
	worse := *good
	worse.Accuracy.BF16 = 0.89
	f("auto", noVNNI, &worse, FP32, "costs too much accuracy")
	f("bf16", all, nil, BF16, "asked for")
	f("int8", all, good, Int8, "asked for")
	f("int8", noVNNI, good, Int8, "no instructions")
	f("int8", all, nil, "", "not calibrated")
	f("bf16", old, nil, "", "AVX-512 BW, VL and DQ")
	f("int8", old, good, "", "AVX2")
	f("fp16", all, good, "", "use --precision auto, fp32, bf16 or int8")
}

func TestCalibrateRefuses(t *testing.T) {
	torchtest.Need(t)
	n := mustNetwork(t, "resnet18", resnet.CIFARStem, 16, 10)
	if _, err := Calibrate(n, nil, MSE, false); err == nil || !strings.Contains(err.Error(), "no images") {
		t.Errorf("got error %v; want one about images", err)
	}
	if _, err := Calibrate(n, calibrationImages(n, 1), "entropy", false); err == nil || !strings.Contains(err.Error(), `"entropy"`) {
		t.Errorf("got error %v; want one about the method", err)
	}
}
