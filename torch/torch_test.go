package torch_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// inScope runs the test body in a Scope, after which nothing may be left.
func inScope(t *testing.T, body func()) {
	t.Helper()
	torchtest.Need(t)
	torchtest.NoLeak(t)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) { body() })
}

// refusal returns the error that f panics with.
func refusal(t *testing.T, f func()) (err *torch.Error) {
	t.Helper()
	defer func() {
		r := recover()
		require.NotNil(t, r, "no panic")
		var ok bool
		err, ok = r.(*torch.Error)
		require.True(t, ok, "panicked with %v", r)
	}()
	f()
	return nil
}

func TestOperators(t *testing.T) {
	inScope(t, func() {
		a := torch.FromSlice([]float32{1, -2, 3, -4}, 2, 2)
		b := torch.FromSlice([]float32{10, 20, 30, 40}, 2, 2)
		f := func(name string, got torch.Tensor, want ...float32) {
			t.Helper()
			assert.Equal(t, want, torch.Slice[float32](got), name)
		}
		f("Add", torch.Add(a, b, 2), 21, 38, 63, 76)
		f("Sub", torch.Sub(b, a, 1), 9, 22, 27, 44)
		f("Mul", torch.Mul(a, b), 10, -40, 90, -160)
		f("Div", torch.Div(b, a), 10, -10, 10, -10)
		f("MulScalar", torch.MulScalar(a, 0.5), 0.5, -1, 1.5, -2)
		f("MM", torch.MM(a, b), -50, -60, -90, -100)
		f("Relu", torch.Relu(a), 1, 0, 3, 0)
		f("Transpose", torch.Transpose(a, 0, 1), 1, 3, -2, -4)
		f("Mean", torch.Mean(a), -0.5)
		f("MeanDims", torch.MeanDims(a, []int64{0}, false), 2, -3)
		f("Flatten", torch.Flatten(a, 0, 1), 1, -2, 3, -4)
		f("Softmax", torch.Softmax(torch.Zeros([]int64{1, 4}, false), 1), 0.25, 0.25, 0.25, 0.25)
		f("Full", torch.Full([]int64{2}, 7, false), 7, 7)
		f("Ones", torch.Ones([]int64{2}, false), 1, 1)
		values, indices := torch.TopK(a, 1, 1, true, true)
		f("TopK", values, 1, 3)
		assert.Equal(t, []int64{0, 0}, torch.Slice[int64](indices))
		assert.Equal(t, []int64{0, 0}, torch.Slice[int64](torch.ArgmaxDim(a, 1)))
		assert.Equal(t, 2.0, torch.Sum(torch.Eq(a, torch.Relu(a))).Float64())
		assert.Equal(t, []int64{2, 2}, a.Shape())
		assert.Equal(t, torch.Float, a.Dtype())
		assert.Equal(t, torch.BFloat16, a.CastTo(torch.BFloat16).Dtype())
	})
}

func TestChannelsLastReadsInRowMajorOrder(t *testing.T) {
	inScope(t, func() {
		data := make([]float32, 2*3*4*5)
		for i := range data {
			data[i] = float32(i)
		}
		x := torch.FromSlice(data, 2, 3, 4, 5).Contiguous(torch.ChannelsLast)
		assert.Equal(t, []int64{60, 1, 15, 3}, x.Strides())
		assert.Equal(t, data, torch.Slice[float32](x))
	})
}

func TestBackward(t *testing.T) {
	inScope(t, func() {
		w := torch.FromSlice([]float32{1, 2, 3}, 3)
		w.SetRequiresGrad(true)
		x := torch.FromSlice([]float32{4, 5, 6}, 3)
		assert.Nil(t, w.Grad().T)
		torch.Sum(torch.Mul(torch.Mul(w, w), x)).Backward() // d/dw w²x = 2wx
		assert.Equal(t, []float32{8, 20, 36}, torch.Slice[float32](w.Grad()))
		torch.ClearGrads([]torch.Tensor{w})
		assert.Nil(t, w.Grad().T)
	})
}

// The update of PyTorch's documentation, in float64 Go, against ten fused steps.
func TestSGDFollowsItsFormula(t *testing.T) {
	const lr, momentum, decay = 0.1, 0.9, 0.01
	for _, nesterov := range []bool{false, true} {
		inScope(t, func() {
			w := torch.FromSlice([]float32{1, -2}, 2)
			w.SetRequiresGrad(true)
			opt := torch.SGD(lr, momentum, 0, decay, nesterov)
			defer opt.Close()
			opt.AddParameters([]torch.Tensor{w})
			want, buf := []float64{1, -2}, make([]float64, 2)
			for step := range 10 {
				opt.ZeroGrad()
				torch.Sum(torch.Mul(w, w)).Backward()
				opt.Step()
				for i := range want {
					g := 2*want[i] + decay*want[i]
					buf[i] = momentum*buf[i] + g
					if nesterov {
						g += momentum * buf[i]
					} else {
						g = buf[i]
					}
					want[i] -= lr * g
				}
				got := torch.Slice[float32](w)
				for i := range want {
					assert.InDelta(t, want[i], got[i], 1e-5, "step %d, nesterov %v", step, nesterov)
				}
			}
		})
	}
}

func TestMisuseIsAPanicWithLibtorchsSentence(t *testing.T) {
	inScope(t, func() {
		a, b := torch.Ones([]int64{2, 3}, false), torch.Ones([]int64{2, 3}, false)
		f := func(want string, misuse func()) {
			t.Helper()
			assert.Contains(t, refusal(t, misuse).Error(), want)
		}
		f("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", func() { torch.MM(a, b) })
		f("does not require grad", func() { torch.Mean(a).Backward() })
		f("is closed", func() { c := torch.Ones([]int64{1}, false); c.Close(); c.Shape() })
		f("is nil", func() { torch.Relu(torch.Tensor{}) })
		f("needs 24 bytes; got 8", func() { torch.FromSlice([]float32{1, 2}, 2, 3) })
		f("Only Tensors of floating point", func() { torch.FromSlice([]int64{1}, 1).SetRequiresGrad(true) })
		f("dtype", func() { torch.Slice[int64](a) })
	})
}

// Each goroutine must get the error of its own call, although the runtime moves
// it between threads.
func TestErrorsAreNotMixedUp(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			a := torch.Ones([]int64{int64(g + 1), 1000}, false)
			defer a.Close()
			for range 200 {
				err := refusal(t, func() { torch.MM(a, a) })
				want := fmt.Sprintf("(%dx1000 and", g+1)
				if !strings.Contains(err.Text, want) {
					t.Errorf("got another call's error %q, want %q", err.Text, want)
					return
				}
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
}

// Operands that Go no longer refers to must live until libtorch has returned,
// however often the collector runs.
func TestOperandsOutliveTheCall(t *testing.T) {
	torchtest.Need(t)
	collectAllTheTime(t)
	for range 300 {
		sum := torch.Mul(torch.Full([]int64{1000}, 2, false), torch.Full([]int64{1000}, 3, false))
		require.Equal(t, float32(6), torch.Slice[float32](sum)[999])
	}
}

func TestCollectorIsTheNet(t *testing.T) {
	torchtest.Need(t)
	before := torch.LiveTensors()
	func() {
		for range 100 {
			torch.Ones([]int64{10}, false)
		}
	}()
	for range 100 {
		runtime.GC()
		if torch.LiveTensors() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d dropped tensors are still alive", torch.LiveTensors()-before)
}

func TestCloseTwice(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	a := torch.Ones([]int64{1}, false)
	b := a
	a.Close()
	b.Close()
	torch.Tensor{}.Close()
	runtime.GC()
}

func TestLiveBytes(t *testing.T) {
	torchtest.Need(t)
	before := torch.LiveBytes()
	a := torch.Ones([]int64{10, 10}, false)
	assert.EqualValues(t, 400, torch.LiveBytes()-before)
	a.Close()
	assert.EqualValues(t, 0, torch.LiveBytes()-before)
}

func TestRandomNumbersFollowTheSeed(t *testing.T) {
	inScope(t, func() {
		draw := func(seed uint64) []float32 {
			torch.ManualSeed(seed)
			return torch.Slice[float32](torch.RandN([]int64{1000}, false))
		}
		a := draw(1)
		assert.Equal(t, a, draw(1))
		assert.NotEqual(t, a, draw(2))
		var mean float64
		for _, x := range a {
			mean += float64(x) / 1000
		}
		assert.Less(t, math.Abs(mean), 0.2)
	})
}
