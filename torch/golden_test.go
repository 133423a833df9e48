package torch_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/safetensors"
)

// golden is one case of testdata/operators.safetensors, which testdata/operators.py
// explains: a call's inputs, and what PyTorch made of them.
type golden struct {
	key             string
	in, after, grad map[string]safetensors.View
	out             map[int]safetensors.View
}

// operatorGoldens maps a function's name to its cases in order.
var operatorGoldens = sync.OnceValues(func() (map[string][]*golden, error) {
	file, err := safetensors.Open("testdata/operators.safetensors")
	if err != nil {
		return nil, err
	}
	all := map[string][]*golden{}
	for _, name := range file.Names() {
		function, rest, _ := strings.Cut(name, ".")
		index, rest, _ := strings.Cut(rest, ".")
		part, name2, _ := strings.Cut(rest, ".")
		i, err := strconv.Atoi(index)
		if err != nil {
			return nil, fmt.Errorf("cannot read the name %q: %w", name, err)
		}
		for len(all[function]) <= i {
			all[function] = append(all[function], newGolden(function, len(all[function])))
		}
		view, _ := file.Tensor(name)
		all[function][i].add(part, name2, view)
	}
	return all, nil
})

func newGolden(function string, i int) *golden {
	return &golden{
		key: fmt.Sprintf("%s.%d", function, i), out: map[int]safetensors.View{},
		in: map[string]safetensors.View{}, after: map[string]safetensors.View{}, grad: map[string]safetensors.View{},
	}
}

func (g *golden) add(part, name string, v safetensors.View) {
	switch part {
	case "in":
		g.in[name] = v
	case "after":
		g.after[name] = v
	case "grad":
		g.grad[name] = v
	case "out":
		i, _ := strconv.Atoi(name)
		g.out[i] = v
	}
}

// goldensOf returns the cases of a function.
func goldensOf(t *testing.T, function string) []*golden {
	t.Helper()
	all, err := operatorGoldens()
	require.NoError(t, err)
	require.NotEmpty(t, all[function], "no golden for %s: add it to testdata/operators.py", function)
	return all[function]
}

// inputs are the tensors of a case by their names.
type inputs map[string]torch.Tensor

// inputs makes the case's tensors anew, each changed by f.
func (g *golden) inputs(f func(torch.Tensor) torch.Tensor) inputs {
	in := inputs{}
	for name, v := range g.in {
		in[name] = f(tensorOf(v))
	}
	return in
}

var dtypes = map[safetensors.DType]int8{
	safetensors.Bool: torch.Bool, safetensors.U8: torch.Byte, safetensors.I8: torch.Char,
	safetensors.I16: torch.Short, safetensors.I32: torch.Int, safetensors.I64: torch.Long,
	safetensors.F16: torch.Half, safetensors.BF16: torch.BFloat16,
	safetensors.F32: torch.Float, safetensors.F64: torch.Double,
}

func tensorOf(v safetensors.View) torch.Tensor {
	return torch.FromBytes(v.Data, dtypes[v.DType], v.Shape...)
}

func asItIs(x torch.Tensor) torch.Tensor { return x }

// differentiable is the form of an input that gradients are taken at: float64, and
// 1/4 for NaN, where the kernels do not agree.
func differentiable(x torch.Tensor) torch.Tensor {
	if !floating(x.Dtype()) {
		return x
	}
	return x.CastTo(torch.Double).NanToNum(0.25, math.Inf(1), math.Inf(-1))
}

func floating(dtype int8) bool {
	switch dtype {
	case torch.Half, torch.BFloat16, torch.Float, torch.Double:
		return true
	}
	return false
}

// asReal shows a complex tensor as the goldens hold one.
func asReal(x torch.Tensor) torch.Tensor {
	switch x.Dtype() {
	case torch.ComplexFloat, torch.ComplexDouble:
		return torch.ViewAsReal(x)
	}
	return x
}

// checkForward runs the call and compares its results and its inputs afterwards.
func (g *golden) checkForward(t *testing.T, in inputs, call func(inputs) []torch.Tensor) {
	t.Helper()
	torch.ManualSeed(20)
	g.checkResults(t, call(in))
	for name, before := range g.in {
		want, changed := g.after[name]
		if !changed {
			want = before
		}
		sameAsGolden(t, g.key+", afterwards "+name, in[name], want)
	}
}

func (g *golden) checkResults(t *testing.T, got []torch.Tensor) {
	t.Helper()
	require.Len(t, got, len(g.out), "%s: results", g.key)
	for i, x := range got {
		sameAsGolden(t, fmt.Sprintf("%s, result %d", g.key, i), x, g.out[i])
	}
}

// checkGradient runs the call in float64 and compares the gradients of the inputs
// that have one, for the loss that operators.py describes.
func (g *golden) checkGradient(t *testing.T, call func(inputs) []torch.Tensor) {
	t.Helper()
	if len(g.grad) == 0 {
		return
	}
	in := g.inputs(differentiable)
	var names []string
	var leaves, losses []torch.Tensor
	for name := range g.grad {
		in[name].SetRequiresGrad(true)
		names, leaves = append(names, name), append(leaves, in[name])
	}
	torch.ManualSeed(20)
	for _, out := range call(in) {
		if out.RequiresGrad() {
			out = asReal(out)
			losses = append(losses, torch.Sum(torch.Mul(out, lossWeights(out.Shape()))))
		}
	}
	require.NotEmpty(t, losses, "%s: no result has a gradient", g.key)
	for i, got := range torch.GradOf(losses, leaves) {
		sameAsGolden(t, g.key+", gradient of "+names[i], got, g.grad[names[i]])
	}
}

// lossWeights are 1/8, 2/8, … 7/8, 1/8, … in that shape.
func lossWeights(shape []int64) torch.Tensor {
	n := int64(1)
	for _, s := range shape {
		n *= s
	}
	w := make([]float64, n)
	for i := range w {
		w[i] = float64(i%7+1) / 8
	}
	return torch.FromSlice(w, shape...)
}

// tolerance is how far a number may be from PyTorch's, relative to the largest of its
// tensor, at least 1. The goldens come from the same kernels, so on the machine that
// made them nothing differs. Another CPU (ATEN_CPU_CAPABILITY=default plays one) adds
// sums up in vectors of another width and may use other matrix products: a few units
// in the last place, of the largest number that met in the sum.
var tolerance = map[int8]float64{
	torch.Half: 1e-3, torch.BFloat16: 8e-3, torch.Float: 2e-6, torch.Double: 1e-12,
}

// sameAsGolden compares shape, dtype and elements. NaN equals NaN.
func sameAsGolden(t *testing.T, what string, got torch.Tensor, want safetensors.View) {
	t.Helper()
	got = asReal(got)
	require.True(t, slices.Equal(want.Shape, got.Shape()), "%s: shape %v; want %v", what, got.Shape(), want.Shape)
	require.Equal(t, dtypes[want.DType], got.Dtype(), "%s: dtype", what)
	if strings.HasPrefix(what, "EmptyLike") {
		return // its elements are not set
	}
	x, y := doubles(got), doubles(tensorOf(want))
	scale := 1.0
	for _, v := range y {
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			scale = math.Max(scale, math.Abs(v))
		}
	}
	allowed := tolerance[got.Dtype()] * scale
	for i := range x {
		equal := x[i] == y[i] || math.IsNaN(x[i]) && math.IsNaN(y[i]) || math.Abs(x[i]-y[i]) <= allowed
		require.True(t, equal, "%s: element %d is %v; want %v", what, i, x[i], y[i])
	}
}

func doubles(x torch.Tensor) []float64 {
	return torch.Slice[float64](x.Detach().CastTo(torch.Double))
}
