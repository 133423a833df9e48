package dist

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// fakeNCCL builds a library with NCCL's interface and has it opened, once: the ranks are
// threads of this process, and the tensors lie on the CPU.
var fakeNCCL = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "fakenccl")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // it stays open
	lib := filepath.Join(dir, "libnccl.so.2")
	out, err := exec.Command("c++", "-std=c++17", "-O1", "-shared", "-fPIC", "-pthread", "-I../torch/csrc", "-o", lib, "testdata/fakenccl.cc").CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
		return err
	}
	os.Setenv("TORCHLIT_NCCL", lib)
	defer os.Unsetenv("TORCHLIT_NCCL")
	_, err = distributed.OpenNCCL()
	return err
})

func ncclGroups(t *testing.T, n int, timeout time.Duration) []*ncclGroup {
	t.Helper()
	torchtest.Need(t)
	require.NoError(t, fakeNCCL())
	control := rings(t, n, true, time.Minute)
	groups := make([]*ncclGroup, n)
	each(t, n, func(rank int) (err error) {
		groups[rank], err = openNCCL(control[rank], torch.Device{}, timeout)
		return err
	})
	t.Cleanup(func() {
		for _, g := range groups {
			g.Close()
		}
	})
	return groups
}

func TestNCCL(t *testing.T) {
	const n = 3
	groups := ncclGroups(t, n, time.Minute)
	a, b := make([]torch.Tensor, n), make([]torch.Tensor, n)
	each(t, n, func(rank int) error {
		a[rank], b[rank] = torch.FromSlice([]float32{1, float32(rank)}, 2), torch.FromSlice([]float64{float64(rank)}, 1)
		if err := groups[rank].AllReduce(a[rank], b[rank]); err != nil {
			return err
		}
		return groups[rank].Barrier()
	})
	for rank := range n {
		assert.Equal(t, []float32{3, 3}, numbers[float32](a[rank].Bytes()))
		assert.Equal(t, []float64{3}, numbers[float64](b[rank].Bytes()))
	}
	each(t, n, func(rank int) error {
		a[rank] = torch.FromSlice([]float32{float32(rank), 7}, 2)
		return groups[rank].Broadcast(2, a[rank])
	})
	for rank := range n {
		assert.Equal(t, []float32{2, 7}, numbers[float32](a[rank].Bytes()))
	}
	each(t, n, func(rank int) error {
		d, err := groups[rank].Duplicate()
		if err != nil {
			return err
		}
		defer d.Close()
		return d.AllReduce(a[rank])
	})
	assert.Equal(t, []float32{6, 21}, numbers[float32](a[0].Bytes()))
}

func TestNCCLReducer(t *testing.T) {
	const n = 2
	groups := ncclGroups(t, n, time.Minute)
	got := make([][][]byte, n)
	each(t, n, func(rank int) error {
		net := nn.Chain(nn.Linear(4, 4, true), nn.Linear(4, 4, true))
		defer nn.Close(net)
		if err := BroadcastParameters(groups[rank], net.Parameters()); err != nil {
			return err
		}
		r, err := NewReducer(groups[rank], net.Parameters(), ReducerOptions{Bucket: 1, First: 1})
		if err != nil {
			return err
		}
		defer r.Close()
		backward(net, torch.RandN([]int64{3, 4}, false))
		if err := r.Wait(); err != nil {
			return err
		}
		got[rank] = gradients(net)
		return nil
	})
	assert.Equal(t, got[0], got[1])
	assert.NotNil(t, got[0][0])
}

// The watchdog ends an operation that a rank never comes to.
func TestNCCLHangs(t *testing.T) {
	groups := ncclGroups(t, 2, 300*time.Millisecond)
	x := torch.FromSlice([]float32{1}, 1)
	require.Error(t, groups[0].AllReduce(x)) // blocks in this library; on a GPU it would not
	assert.ErrorContains(t, groups[0].AllReduce(x), "NCCL made no progress for 300ms")
	require.NoError(t, groups[0].Close())
	assert.Error(t, groups[0].AllReduce(x))
}

// It knows of a lost rank from the control group, without waiting for the timeout.
func TestNCCLLost(t *testing.T) {
	groups := ncclGroups(t, 2, time.Minute)
	groups[1].control.Close()
	x := torch.FromSlice([]float32{1}, 1)
	require.Error(t, groups[0].AllReduce(x))
	var lost *LostError
	require.ErrorAs(t, groups[0].AllReduce(x), &lost)
	assert.Equal(t, 1, lost.Rank)
}
