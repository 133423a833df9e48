//go:build soak

package torch_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// A million calls of each kind must leave the process as large as it was: gotorch
// leaked a string in every loss and a device in every move.
func TestSoakMillionCalls(t *testing.T) {
	torchtest.Need(t)
	const calls, growthMiB = 1_000_000, 32
	x := torch.FromSlice([]float32{1, 2, 3, 4}, 2, 2)
	defer x.Close()
	y := torch.FromSlice([]int64{0, 1}, 2)
	defer y.Close()
	f := func(name string, n int, work func()) {
		t.Helper()
		batch := func() {
			torch.Scope(func(keep) {
				for range 1000 {
					work()
				}
			})
		}
		for range 20 {
			batch() // fills the allocators' caches
		}
		runtime.GC()
		before := residentMiB(t)
		for range n / 1000 {
			batch()
		}
		runtime.GC()
		grown := residentMiB(t) - before
		t.Logf("%-28s %8d calls, resident memory %+d MiB", name, n, grown)
		assert.Less(t, grown, growthMiB, name)
	}
	f("an operator", calls, func() { torch.Relu(x) })
	f("closed at once", calls, func() { torch.Relu(x).Close() })
	f("in place", calls, func() { x.AddI(x, 0) })
	f("a loss", calls, func() { torch.CrossEntropyLoss(x, y, torch.Tensor{}, torch.ReduceMean, -100, 0) })
	f("a device and a move", calls, func() { x.To(torch.NewDevice("cpu")) })
	f("an error", calls, func() { torch.TryMM(x, y) })
	f("attributes", calls, func() { x.Shape(); x.Dtype() })
	f("elements out and in", calls, func() { torch.FromSlice(torch.Slice[float32](x), 2, 2) })
	f("a string argument", calls, func() { torch.Gelu(x, "tanh") })
	f("a list of tensors", calls, func() { torch.Split(torch.Stack([]torch.Tensor{x, x}, 0), 1, 0) })
	f("backward", calls/10, func() {
		w := torch.Ones([]int64{2, 2}, true)
		torch.Sum(torch.Mul(w, x)).Backward()
		w.Grad()
	})
	f("gob", calls/10, func() {
		data, err := x.GobEncode()
		assert.NoError(t, err)
		var z torch.Tensor
		assert.NoError(t, z.GobDecode(data))
	})
	f("printing", calls/10, func() { _ = x.String() })
}

// Tensors that nobody closes are the collector's: their memory comes back, too.
func TestSoakMillionDropped(t *testing.T) {
	torchtest.Need(t)
	x := torch.Ones([]int64{64, 64}, false)
	defer x.Close()
	drop := func(n int) {
		for range n {
			torch.Relu(x)
		}
		torch.GC()
	}
	drop(100_000)
	before := residentMiB(t)
	drop(1_000_000)
	grown := residentMiB(t) - before
	t.Logf("resident memory %+d MiB", grown)
	assert.Less(t, grown, 256)
}
