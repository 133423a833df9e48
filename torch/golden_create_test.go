package torch_test

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
)

type (
	tensor  = torch.Tensor
	options = map[string]interface{}
)

var long = torch.Options{DType: torch.DType(torch.Long)}

// handwritten are the functions that no list declares, with a call for each golden
// case.
var handwritten = map[string][]func(x inputs) tensor{
	"Sum": {
		func(x inputs) tensor { return torch.Sum(x["a"]) },
		func(x inputs) tensor { return x["a"].Sum(options{"dim": 1}) },
		func(x inputs) tensor { return torch.Sum(x["a"], options{"dim": int64(-1), "keepDim": true}) },
		func(x inputs) tensor { return x["a"].Sum() },
	},
	"Squeeze": {
		func(x inputs) tensor { return torch.Squeeze(x["a"]) },
		func(x inputs) tensor { return x["a"].Squeeze(-1) },
		func(x inputs) tensor { return torch.Squeeze(x["a"], 1) },
	},
	"Argmax": {
		func(x inputs) tensor { return x["a"].Argmax() },
		func(x inputs) tensor { return x["a"].Argmax(1) },
		func(x inputs) tensor { return x["a"].Argmax(int64(-2), true) },
	},
	"Argmin": {
		func(x inputs) tensor { return x["a"].Argmin() },
		func(x inputs) tensor { return x["a"].Argmin(1) },
		func(x inputs) tensor { return x["a"].Argmin(int64(-2), true) },
	},
	"Index": {
		func(x inputs) tensor { return x["a"].Index(1, -1) },
		func(x inputs) tensor { return x["a"].Index(-2) },
		func(x inputs) tensor { return x["a"].Index() },
	},
	"To": {
		func(x inputs) tensor { return torch.To(x["a"], x["a"].Device(), torch.Double) },
		func(x inputs) tensor { return x["a"].To(torch.NewDevice("cpu"), torch.BFloat16) },
		func(x inputs) tensor { return x["a"].CastTo(torch.Int) },
		func(x inputs) tensor { return x["a"].CastTo(torch.Bool) },
	},
	"EmbeddingBag": {
		func(x inputs) tensor {
			return torch.EmbeddingBag(x["weight"], x["indices"], x["offsets"], torch.BagSum, tensor{}, -1)
		},
		func(x inputs) tensor {
			return torch.EmbeddingBag(x["weight"], x["indices"], x["offsets"], torch.BagMean, tensor{}, 1)
		},
		func(x inputs) tensor {
			return torch.EmbeddingBag(x["weight"], x["indices"], x["offsets"], torch.BagMax, tensor{}, -1)
		},
		func(x inputs) tensor {
			return torch.EmbeddingBag(x["weight"], x["indices"], x["offsets"], torch.BagSum, x["scales"], -1)
		},
	},
	"CopyI":    {func(x inputs) tensor { return x["a"].CopyI(x["other"]) }},
	"FillI":    {func(x inputs) tensor { return x["a"].FillI(2.5) }, func(x inputs) tensor { return x["a"].FillI(4) }},
	"NormalI":  {func(x inputs) tensor { return x["a"].NormalI(1, 2) }},
	"UniformI": {func(x inputs) tensor { return x["a"].UniformI(-1, 3) }},

	"Zeros":      {func(inputs) tensor { return torch.Zeros(ints{2, 3}, false) }},
	"Ones":       {func(inputs) tensor { return torch.Ones(ints{2, 0}, false) }},
	"Full":       {func(inputs) tensor { return torch.Full(ints{2}, 2.5, false) }},
	"FullWith":   {func(inputs) tensor { return torch.FullWith(ints{2}, 3, long) }},
	"Eye":        {func(inputs) tensor { return torch.Eye(2, 3, false) }},
	"Arange":     {func(inputs) tensor { return torch.Arange(0.5, 3, 0.75, false) }},
	"ArangeWith": {func(inputs) tensor { return torch.ArangeWith(5, -6, -3, long) }},
	"Linspace":   {func(inputs) tensor { return torch.Linspace(-1, 2, 7, false) }},
	"Logspace":   {func(inputs) tensor { return torch.Logspace(-1, 2, 4, 2, false) }},
	"Rand":       {func(inputs) tensor { return torch.Rand(ints{3, 4}, false) }},
	"RandN":      {func(inputs) tensor { return torch.RandN(ints{4, 5}, false) }},
	"RandInt": {
		func(inputs) tensor { return torch.RandInt(-5, 100, ints{3, 4}, torch.Options{}) },
		func(inputs) tensor {
			return torch.RandInt(0, 2, ints{5}, torch.Options{DType: torch.DType(torch.Byte)})
		},
	},
	"RandPerm": {
		func(inputs) tensor { return torch.RandPerm(10, torch.Options{}) },
		func(inputs) tensor { return torch.RandPerm(6, torch.Options{DType: torch.DType(torch.Int)}) },
	},
}

func TestHandwrittenAgainstPyTorch(t *testing.T) {
	for name, calls := range handwritten {
		t.Run(name, func(t *testing.T) {
			inScope(t, func() {
				cases := goldensOf(t, name)
				require.Len(t, calls, len(cases), "cases here and in operators.py")
				for i, g := range cases {
					call := func(in inputs) []tensor { return []tensor{calls[i](in)} }
					g.checkForward(t, g.inputs(asItIs), call)
					g.checkGradient(t, call)
				}
			})
		})
	}
}

// A golden that nothing looks at would be a promise that nobody keeps.
func TestEveryGoldenIsUsed(t *testing.T) {
	all, err := operatorGoldens()
	require.NoError(t, err)
	list := declarations(t)
	for name := range all {
		_, declared := list[name]
		assert.True(t, declared || handwritten[name] != nil, "nothing tests the golden %s", name)
	}
}

// A generator of one seed draws what the default generator does from it.
func TestConstructorsDrawFromTheirGenerator(t *testing.T) {
	inScope(t, func() {
		g := torch.NewGenerator(torch.Device{})
		defer g.Close()
		o := torch.Options{Generator: g}
		f := func(name string, draw func() tensor) {
			t.Helper()
			g.ManualSeed(20)
			for i, v := range goldensOf(t, name)[0].out {
				sameAsGolden(t, name, []tensor{draw()}[i], v)
			}
		}
		f("Rand", func() tensor { return torch.RandWith(ints{3, 4}, o) })
		f("RandN", func() tensor { return torch.RandNWith(ints{4, 5}, o) })
		f("RandInt", func() tensor { return torch.RandInt(-5, 100, ints{3, 4}, o) })
		f("RandPerm", func() tensor { return torch.RandPerm(10, o) })
		f("NormalI", func() tensor { return torch.Empty(ints{4, 5}, false).NormalI(1, 2, g) })
		f("UniformI", func() tensor { return torch.Empty(ints{4, 5}, false).UniformI(-1, 3, g) })
	})
}

func TestConstructorOptions(t *testing.T) {
	inScope(t, func() {
		o := torch.Options{DType: torch.DType(torch.Double), RequiresGrad: true}
		f := func(x tensor, err error) {
			t.Helper()
			require.NoError(t, err)
			assert.Equal(t, torch.Double, x.Dtype())
			assert.True(t, x.RequiresGrad())
		}
		f(torch.TryEmptyWith(ints{2}, o))
		f(torch.TryZerosWith(ints{2}, o))
		f(torch.TryOnesWith(ints{2}, o))
		f(torch.TryFullWith(ints{2}, 0.5, o))
		f(torch.TryRandWith(ints{2}, o))
		f(torch.TryRandNWith(ints{2}, o))
		f(torch.TryRandInt(0, 9, ints{2}, o))
		f(torch.TryEyeWith(2, 3, o))
		f(torch.TryArangeWith(0, 1, 0.5, o))
		f(torch.TryLinspaceWith(0, 1, 5, o))
		f(torch.TryLogspaceWith(0, 1, 5, 10, o))
	})
}

func TestConstructorMisuse(t *testing.T) {
	inScope(t, func() {
		closed := torch.NewGenerator(torch.Device{})
		closed.Close()
		f := func(want string) func(tensor, error) {
			return func(_ tensor, err error) {
				t.Helper()
				assert.ErrorContains(t, err, want)
			}
		}
		f("must be non-negative")(torch.TryZerosWith(ints{-1}, torch.Options{}))
		f("negative dimension")(torch.TryRandNWith(ints{2, -1}, torch.Options{}))
		f("not implemented for 'Bool'")(torch.TryRandWith(ints{2}, torch.Options{DType: torch.DType(torch.Bool)}))
		f("can't allocate memory")(torch.TryEmptyWith(ints{1 << 50}, torch.Options{}))
		f("steps must be non-negative")(torch.TryLinspaceWith(0, 1, -1, torch.Options{}))
		f("bound inconsistent with step sign")(torch.TryArangeWith(0, 1, -1, torch.Options{}))
		f("expects 'from' to be less than 'to'")(torch.TryRandInt(3, 3, ints{2}, torch.Options{}))
		f("negative dimension")(torch.TryRandPerm(-1, torch.Options{}))
		f("Only Tensors of floating point")(torch.TryOnesWith(ints{2}, torch.Options{DType: torch.DType(torch.Long), RequiresGrad: true}))
		f("is closed")(torch.TryRandWith(ints{2}, torch.Options{Generator: closed}))
		f("dtype")(torch.TryOnesWith(ints{2}, torch.Options{DType: torch.DType(99)}))
		f("needs 24 bytes; got 8")(torch.TryFromSlice([]float32{1, 2}, 2, 3))
		assert.Contains(t, refusal(t, func() { torch.Eye(-1, 2, false) }).Error(), "n must be greater or equal to 0")
		_, err := torch.TrySlice[int64](torch.Ones(ints{1}, false))
		assert.ErrorContains(t, err, "dtype")
		_, err = torch.TrySlice[float32](tensor{})
		assert.ErrorContains(t, err, "is nil")
	})
}

func TestHandwrittenMisuse(t *testing.T) {
	inScope(t, func() {
		a := torch.Ones(ints{2, 3}, false)
		f := func(want string, misuse func()) {
			t.Helper()
			assert.Contains(t, refusal(t, misuse).Error(), want)
		}
		f(`option "dim" is one (string); give an integer`, func() { a.Sum(options{"dim": "one"}) })
		f(`option "keepDim" is 1 (int); give a bool`, func() { a.Sum(options{"dim": 0, "keepDim": 1}) })
		f("Dimension out of range", func() { a.Sum(options{"dim": 2}) })
		f("more than one dimension", func() { a.Squeeze(0, 1) })
		f("at most a dimension", func() { a.Argmax(0, true, 1) })
		f("give an integer", func() { a.Argmin(1.5) })
		f("give a bool", func() { a.Argmin(1, 1) })
		f("index 2 out of range", func() { a.Index(2) })
		f("0-dim tensor", func() { a.Index(0, 0, 0) })
		f("must match the size", func() { a.CopyI(torch.Ones(ints{4}, false)) })
		f("is nil", func() { a.CopyI(tensor{}) })
		f("is nil", func() { (tensor{}).FillI(1) })
		f("std >= 0", func() { a.NormalI(0, -1) })
		f("dtype", func() { a.CastTo(99) })
		f("is nil", func() { torch.EmbeddingBag(a, tensor{}, a, torch.BagSum, tensor{}, -1) })
		f("scalar types", func() { torch.EmbeddingBag(a, a, a, torch.BagSum, tensor{}, -1) })
		_, err := torch.TrySum(tensor{})
		assert.ErrorContains(t, err, "is nil")
		_, err = torch.TrySqueeze(a, 9)
		assert.ErrorContains(t, err, "Dimension out of range")
	})
}

func TestNewTensor(t *testing.T) {
	inScope(t, func() {
		x := torch.NewTensor([][]float32{{1, 2, 3}, {4, 5, 6}})
		assert.Equal(t, ints{2, 3}, x.Shape())
		assert.Equal(t, []float32{1, 2, 3, 4, 5, 6}, torch.Slice[float32](x))
		assert.Equal(t, ints{2, 1, 0}, torch.NewTensor([][][]int64{{{}}, {{}}}).Shape())
		assert.Equal(t, torch.Bool, torch.NewTensor([]bool{true, false}).Dtype())
		half := torch.NewTensor([]uint16{0x3c00, 0xc000}) // 1, -2 in IEEE's binary16
		assert.Equal(t, []float32{1, -2}, torch.Slice[float32](half.CastTo(torch.Float)))
		bfloat := torch.NewTensor([]uint16{0x3f80, 0xc000}, options{"dtype": torch.BFloat16})
		assert.Equal(t, []float32{1, -2}, torch.Slice[float32](bfloat.CastTo(torch.Float)))

		f := func(data any, want string, opts ...options) {
			t.Helper()
			_, err := torch.TryNewTensor(data, opts...)
			assert.ErrorContains(t, err, want)
			assert.Contains(t, refusal(t, func() { torch.NewTensor(data, opts...) }).Error(), want)
		}
		f(7, "it takes a slice, not a int")
		f(nil, "it takes a slice")
		f([]string{"a"}, "no dtype has elements of Go's type string")
		f([]any{1}, "no dtype")
		f([][]int64{}, "an empty slice of slices has no shape")
		f([][]int64{{1, 2}, {3}}, "a slice has 1 elements where its first neighbour has 2")
		f([][][]int64{{{1}}, {}}, "a slice has 0 elements where its first neighbour has 1")
		f([]float32{1}, "cannot be read as dtype 7", options{"dtype": torch.Double})
		f([]float32{1}, "cannot be read as dtype 300", options{"dtype": 300})
		f([]float32{1}, "give an integer", options{"dtype": "float"})
	})
}

func TestFromBlob(t *testing.T) {
	inScope(t, func() {
		data := []float64{1, 2, 3, 4}
		x := torch.FromBlob(unsafe.Pointer(&data[0]), torch.Double, ints{2, 2})
		data[0] = math.NaN() // a copy was made
		assert.Equal(t, []float64{1, 2, 3, 4}, torch.Slice[float64](x))
		assert.Equal(t, ints{0, 2}, torch.FromBlob(nil, torch.Float, ints{0, 2}).Shape())

		f := func(want string, data unsafe.Pointer, dtype int8, sizes ints) {
			t.Helper()
			_, err := torch.TryFromBlob(data, dtype, sizes)
			assert.ErrorContains(t, err, want)
			assert.Contains(t, refusal(t, func() { torch.FromBlob(data, dtype, sizes) }).Error(), want)
		}
		p := unsafe.Pointer(&data[0])
		f("data is nil", nil, torch.Float, ints{1})
		f("a size is negative", p, torch.Float, ints{2, -1})
		f("no memory holds so many", p, torch.Float, ints{1 << 40, 1 << 40})
		f("has no elements that can be copied", p, torch.QInt8, ints{1})
		f("has no elements that can be copied", p, torch.Invalid, ints{1})
	})
}

// More results than a call first makes room for.
func TestListOfManyResults(t *testing.T) {
	inScope(t, func() {
		parts := torch.Unbind(torch.Arange(0, 1000, 1, false), 0)
		require.Len(t, parts, 1000)
		for i, p := range parts {
			require.Equal(t, float64(i), p.Float64())
		}
		assert.Len(t, torch.Split(torch.Zeros(ints{17}, false), 1, 0), 17)
		assert.Empty(t, torch.Unbind(torch.Zeros(ints{0, 3}, false), 0))
	})
}

// Whole numbers leave integer tensors integers, as in Python.
func TestNumbersWithoutAFractionAreIntegers(t *testing.T) {
	inScope(t, func() {
		a := torch.FromSlice([]int64{16777217, 2}, 2) // float32 cannot tell it from 16777216
		assert.Equal(t, torch.Long, torch.AddScalar(a, 1).Dtype())
		assert.Equal(t, torch.Float, torch.AddScalar(a, 1.5).Dtype())
		assert.Equal(t, 0.0, torch.EqScalar(a, 16777216).Sum().Float64())
		assert.Equal(t, []int64{16777217, 5}, torch.Slice[int64](a.ClampI(5, 1<<40)))
		assert.Contains(t, refusal(t, func() { a.AddScalarI(0.5) }).Error(), "can't be cast")
	})
}
