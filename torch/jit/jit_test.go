package jit_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/jit"
	"github.com/torchlit/torchlit/torch/torchtest"
)

const golden = "testdata/module.pt"

// withModule runs the test body on the golden module, in a Scope, after which no
// tensor may be left.
func withModule(t *testing.T, body func(m *jit.Module)) {
	t.Helper()
	torchtest.Need(t)
	torchtest.NoLeak(t)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		m, err := jit.Load(golden)
		require.NoError(t, err)
		defer m.Close()
		body(m)
	})
}

func vector(x ...float32) torch.Tensor { return torch.FromSlice(x, int64(len(x))) }

// plain turns tensors into slices, so that results can be compared.
func plain(v any) any {
	switch v := v.(type) {
	case torch.Tensor:
		return torch.Slice[float32](v)
	case []torch.Tensor:
		list := [][]float32{}
		for _, t := range v {
			list = append(list, torch.Slice[float32](t))
		}
		return list
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, plain(item))
		}
		return list
	case map[string]torch.Tensor:
		m := map[string][]float32{}
		for k, t := range v {
			m[k] = torch.Slice[float32](t)
		}
		return m
	}
	return v
}

func TestForward(t *testing.T) {
	withModule(t, func(m *jit.Module) {
		y := m.Forward(vector(1, 1))
		assert.True(t, y.IsTensor())
		assert.False(t, y.IsTuple())
		assert.Equal(t, []float32{3.5, 6.5}, torch.Slice[float32](y.ToTensor()))
	})
}

func TestCall(t *testing.T) {
	withModule(t, func(m *jit.Module) {
		x, y := vector(1, 2), vector(10, 20)
		f := func(want any, method string, args ...any) {
			t.Helper()
			got, err := m.Call(method, args...)
			require.NoError(t, err)
			assert.Equal(t, want, plain(got))
		}
		f([]any{[]float32{11, 22}, []float32{-9, -18}}, "both", x, y)
		f([]float32{2, 4}, "scale", x)
		f([]float32{0.5, 1}, "scale", x, 0.5)
		f([]float32{-3, -6}, "scale", x, 3, true)
		f(int64(8), "integer", 7)
		f(int64(8), "integer", uint8(7))
		f(1.25, "number", 2.5)
		f(1.25, "number", float32(2.5))
		f(3.5, "number", 7)
		f(false, "truth", true)
		f("abcdefghijabcdefghij", "text", "abcdefghij")
		f("", "text", "")
		f([]int64{1, 4}, "integers", []int64{1, 2})
		f([]int64{1, 4}, "integers", []int{1, 2})
		f([]int64{1, 4}, "integers", []any{1, int8(2)})
		f([]int64{}, "integers", []int64{})
		f([]float64{0.5, 1}, "numbers", []float64{1, 2})
		f([]float64{0.5, 1}, "numbers", []float32{1, 2})
		f([]float64{0.5, 1}, "numbers", []int64{1, 2})
		f([]bool{false, true}, "truths", []bool{true, false})
		f([]string{"A", "LONGER THAN A WORD"}, "texts", []string{"a", "longer than a word"})
		f([]string{}, "texts", []string{})
		f([][]float32{{2, 3}, {11, 21}}, "tensors", []torch.Tensor{x, y})
		f([][]float32{}, "tensors", []torch.Tensor{})
		f([]any{[]int64{1}, []int64{}, []int64{1}, []int64{}}, "nested", [][]int64{{1}, {}})
		f([]any{}, "nested", [][]int64{})
		f(map[string][]float32{"a!": {2, 4}, "b!": {20, 40}}, "dictionary", map[string]torch.Tensor{"a": x, "b": y})
		f(map[string][]float32{}, "dictionary", map[string]torch.Tensor{})
		f(map[any]any{int64(1): int64(3)}, "counts", map[int]int{1: 2})
		f(nil, "maybe", nil)
		f([]float32{2, 3}, "maybe", x)
		f([]any{"s", 0.5, int64(1)}, "shape", []any{1, 0.5, "s"})
		f([]any{"x", []float32{1, 2}}, "pair", x)
		f([]any{"x", []float32{5.5, 10.5}}, "pair", m.Forward(x))
	})
}

func TestAnything(t *testing.T) {
	withModule(t, func(m *jit.Module) {
		f := func(want, v any) {
			t.Helper()
			got, err := m.Call("anything", v)
			require.NoError(t, err)
			assert.Equal(t, want, plain(got))
		}
		f(nil, nil)
		f(int64(1), 1)
		f("s", "s")
		f([]float32{1, 2}, vector(1, 2))
		f([]string{"a"}, []string{"a"})
		f([]int64{1}, []int64{1})
		f([]any{int64(1), "s"}, []any{1, "s"})
		f(map[any]any{"a": int64(1)}, map[string]int{"a": 1})
	})
}

func TestStateAndDevices(t *testing.T) {
	withModule(t, func(m *jit.Module) {
		for want := int64(1); want < 4; want++ {
			got, err := m.Call("count")
			require.NoError(t, err)
			assert.Equal(t, want, got)
		}
		assert.Equal(t, int64(3), m.NamedBuffers()["calls"].Item())

		parameters := m.NamedParameters()
		assert.Len(t, parameters, 2)
		parameters["linear.bias"].Write(make([]byte, 8)) // they share the module's memory
		assert.Equal(t, []float32{3, 7}, torch.Slice[float32](m.Forward(vector(1, 1)).ToTensor()))

		m.Train(true) // the module drops all it has, when trained
		assert.Equal(t, []float32{0, 0}, torch.Slice[float32](m.Forward(vector(1, 1)).ToTensor()))
		m.Train(false)
		require.NoError(t, m.To(torch.NewDevice("cpu")))
		assert.Error(t, m.To(torch.NewDevice("cuda:99")))
		zero, err := m.Call("where", torch.NewDevice("cpu"))
		require.NoError(t, err)
		assert.Equal(t, []float32{0}, plain(zero))
	})
}

func TestMethods(t *testing.T) {
	withModule(t, func(m *jit.Module) {
		assert.Contains(t, m.Methods(), "forward")
		assert.Contains(t, m.Methods(), "scale")
		assert.Contains(t, m.Schema("scale"), "float factor=2.")
		assert.Empty(t, m.Schema("absent"))
	})
}

func TestRefusals(t *testing.T) {
	withModule(t, func(m *jit.Module) {
		x := vector(1, 2)
		f := func(sentence, method string, args ...any) {
			t.Helper()
			_, err := m.Call(method, args...)
			assert.ErrorContains(t, err, sentence)
		}
		f("no method absent", "absent")
		f("this one always fails", "fail", x)
		f("takes 1 arguments; more", "integer", 1, 2)
		f("missing value for argument 'x'", "forward")
		f("a value of type str where the method takes one of type int", "integer", "one")
		f("a value of type str where the method takes one of type int", "integers", []string{"a"})
		f("a value of type float where the method takes one of type int", "integers", []any{1, 1.5})
		f("where the method takes one of type List[int]", "integers", 1)
		f("where the method takes one of type Dict[int, int]", "counts", []int64{1})
		f("a value of type str where", "dictionary", map[string]string{"a": "b"})
		f("a value of type int where", "dictionary", map[int]torch.Tensor{1: x})
		f("a value of type NoneType where", "tensors", []any{x, nil})
		f("a value of type int where", "forward", 1)
		f("a value of type NoneType where", "forward", nil)
		f("mat1 and mat2", "forward", torch.Ones([]int64{1, 3}, false))
		f("a tuple of 1 values", "shape", []any{1})
		f("the tensor is nil", "forward", torch.Tensor{})
		f("argument 1: item 1: torch: the tensor is nil", "tensors", []any{x, torch.Tensor{}})
		f("has no counterpart in TorchScript", "anything", struct{}{})
		f("has no counterpart in TorchScript", "anything", map[string]any{"a": make(chan int)})
		f("more than TorchScript's integers hold", "anything", uint64(1<<63))
		f("only tensors, numbers, strings", "stream")
		_, err := m.TryForward(x, x)
		assert.Error(t, err)
		assert.Panics(t, func() { m.Forward() })
		assert.Panics(t, func() { m.Forward(x).ToTuple() })
		assert.Panics(t, func() { (&jit.IValue{Value: 1}).ToTensor() })

		m.Close()
		f("closed", "forward", x)
		assert.Error(t, m.Save(filepath.Join(t.TempDir(), "a.pt")))
		assert.Panics(t, func() { m.Train(true) })
		assert.Panics(t, func() { m.NamedParameters() })
	})
}

func TestFiles(t *testing.T) {
	withModule(t, func(m *jit.Module) {
		dir := t.TempDir()
		path := filepath.Join(dir, "copy.pt")
		require.NoError(t, m.Save(path))
		copied, err := jit.Load(path, torch.NewDevice("cpu"))
		require.NoError(t, err)
		defer copied.Close()
		assert.Equal(t, []float32{3.5, 6.5}, torch.Slice[float32](copied.Forward(vector(1, 1)).ToTensor()))

		_, err = jit.Load(filepath.Join(dir, "absent"))
		assert.ErrorIs(t, err, fs.ErrNotExist)
		_, err = jit.Load("testdata/golden.py")
		assert.Error(t, err)
		assert.Error(t, m.Save(filepath.Join(dir, "absent", "a.pt")))
		assert.Panics(t, func() { jit.LoadJITModule("absent") })
		jit.LoadJITModule(path).Close()

		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		for n := 0; n < len(whole); n += 997 {
			require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
			_, err := jit.Load(path)
			assert.Error(t, err)
		}
	})
}

func TestManyCallersAtOnce(t *testing.T) {
	withModule(t, func(m *jit.Module) {
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range 20 {
					x := vector(1, 1)
					y := m.Forward(x).ToTensor()
					assert.Equal(t, []float32{3.5, 6.5}, torch.Slice[float32](y))
					x.Close()
					y.Close()
				}
			})
		}
		callers.Wait()
	})
}

func TestGradientsReachTheParameters(t *testing.T) {
	withModule(t, func(m *jit.Module) {
		torch.Sum(m.Forward(vector(1, 2)).ToTensor()).Backward()
		assert.Equal(t, []float32{1, 2, 1, 2}, torch.Slice[float32](m.NamedParameters()["linear.weight"].Grad()))
	})
}

func ExampleLoad() {
	net, err := jit.Load("testdata/module.pt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer net.Close()
	y := net.Forward(torch.FromSlice([]float32{1, 1}, 2)).ToTensor()
	torch.NoGrad(func() { fmt.Println(y.Detach()) })

	sum, err := net.Call("integers", []int64{1, 2, 3})
	fmt.Println(sum, err)
	// Output:
	// tensor([3.5000, 6.5000])
	// [1 4 9] <nil>
}
