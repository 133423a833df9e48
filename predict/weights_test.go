package predict

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/torch/safetensors"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// seededWeights are random weights that anyone can make again: element i of the
// tensor called name is a function of the two alone. testdata/make_goldens.py
// has the same function, so that a golden is the logits only.
type seededWeights struct {
	tensors map[string][]int64
	without string // a name that is missing
	values  map[string]safetensors.View
}

func newSeededWeights(spec resnet.Spec) *seededWeights {
	w := &seededWeights{tensors: map[string][]int64{}, values: map[string]safetensors.View{}}
	for _, t := range spec.Tensors() {
		w.tensors[t.Name] = t.Shape
	}
	return w
}

func (w *seededWeights) Tensor(name string) (safetensors.View, error) {
	shape, ok := w.tensors[name]
	if !ok || name == w.without {
		return safetensors.View{}, fmt.Errorf("tensor %q is missing", name)
	}
	if v, ok := w.values[name]; ok {
		return v, nil
	}
	v := safetensors.View{Name: name, DType: "F32", Shape: shape, Data: seededTensor(name, shape)}
	w.values[name] = v
	return v, nil
}

// seededTensor draws uniformly from lo..hi, which keep the activations of a
// network of any depth near one.
func seededTensor(name string, shape []int64) []byte {
	n, fan := int64(1), int64(1)
	for i, d := range shape {
		n *= d
		if i > 0 {
			fan *= d
		}
	}
	lo, hi := -0.2, 0.2 // biases and means
	switch {
	case len(shape) > 1:
		hi = math.Sqrt(2 / float64(fan))
		lo = -hi
	case strings.HasSuffix(name, "running_var"), strings.HasSuffix(name, ".weight"):
		lo, hi = 0.5, 1.0
	}
	data := make([]byte, 4*n)
	seed := fnv1a(name)
	for i := range n {
		u := float64(mix(seed+uint64(i))>>11) / (1 << 53)
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(lo+(hi-lo)*u)))
	}
	return data
}

// seededImage is an image made in the same way.
func seededImage(name string, bytes int) []byte {
	image := make([]byte, bytes)
	seed := fnv1a(name)
	for i := range image {
		image[i] = byte(mix(seed + uint64(i)))
	}
	return image
}

// fnv1a is the 64-bit FNV-1a hash.
func fnv1a(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

var (
	imagenetMean = [3]float32{0.485, 0.456, 0.406}
	imagenetStd  = [3]float32{0.229, 0.224, 0.225}
)

func mustNetwork(tb testing.TB, architecture string, stem resnet.Stem, size int, classes int64) Network {
	tb.Helper()
	spec, err := resnet.Describe(architecture, stem, classes)
	if err != nil {
		tb.Fatal(err)
	}
	return Network{Spec: spec, Weights: newSeededWeights(spec), Width: size, Height: size, Mean: imagenetMean, Std: imagenetStd}
}

func mustModel(tb testing.TB, n Network, opts Options) *Model {
	tb.Helper()
	torchtest.Need(tb)
	m, err := New(n, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	return m
}

func mustRunner(tb testing.TB, m *Model) *Runner {
	tb.Helper()
	r, err := m.NewRunner()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}
