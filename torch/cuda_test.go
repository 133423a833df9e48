package torch_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// Whatever asks for a CUDA device that is not there gets a sentence, never a signal.
func TestWithoutSuchADevice(t *testing.T) {
	torchtest.Need(t)
	for _, name := range []string{"cpu", "cuda:99"} {
		device := torch.NewDevice(name)
		f := func(_ any, err error) {
			t.Helper()
			assert.Error(t, err)
			assert.NotContains(t, err.Error(), "INTERNAL ASSERT")
		}
		f(torch.TryGetCurrentCUDAStream(device))
		f(torch.TryNewCUDAStream(device))
		f(nil, torch.ResetPeakMemoryStats(device))
		refusal(t, func() { torch.NewCUDAStream(device) })
		refusal(t, func() { torch.GetCurrentCUDAStream(device) })
	}
	_, err := torch.DeviceProperties(torch.NewDevice("cuda:99"))
	assert.ErrorContains(t, err, "there is no cuda device")
	_, err = torch.MemoryStats(torch.NewDevice("cuda:99"))
	assert.Error(t, err)
	refusal(t, func() { torch.CUDAStream{}.Query() })
	refusal(t, func() { torch.CUDAStream{}.Synchronize() })
	refusal(t, func() { torch.SetCurrentCUDAStream(torch.CUDAStream{}) })
	torch.Synchronize(torch.Device{})
	assert.Error(t, torch.TrySynchronize(torch.NewDevice("cuda:99")))
	inScope(t, func() {
		x := torch.Ones([]int64{2}, false)
		refusal(t, func() { x.CUDA(torch.NewDevice("cuda:99"), false) })
		refusal(t, func() { x.CUDA(torch.NewDevice("cpu"), false) })
		refusal(t, func() { torch.Tensor{}.PinMemory() })
	})
}

func TestCUDA(t *testing.T) {
	torchtest.Need(t)
	if !torch.IsCUDAAvailable() {
		assert.Zero(t, torch.CUDADeviceCount())
		assert.False(t, torch.IsCUDNNAvailable())
		t.Skip("there is no CUDA device")
	}
	device := torch.NewDevice("cuda:0")
	properties, err := torch.DeviceProperties(device)
	require.NoError(t, err)
	assert.NotEmpty(t, properties.Name)
	assert.Positive(t, properties.TotalMemory)
	assert.Positive(t, properties.Processors)

	inScope(t, func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before := torch.GetCurrentCUDAStream(device)
		stream := torch.NewCUDAStream(device)
		torch.SetCurrentCUDAStream(stream)
		assert.Equal(t, stream, torch.GetCurrentCUDAStream(device))
		x := torch.Ones([]int64{1 << 20}, false).PinMemory().CUDA(device, true)
		y := torch.Add(x, x, 1)
		stream.Synchronize()
		assert.True(t, stream.Query())
		torch.SetCurrentCUDAStream(before)
		assert.Equal(t, "cuda:0", y.Device().String())
		assert.Contains(t, y.String(), "device='cuda:0'")

		stats, err := torch.MemoryStats(device)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, stats.Allocated, int64(8<<20))
		require.NoError(t, torch.ResetPeakMemoryStats(device))
		require.NoError(t, torch.EmptyCache(device))
	})
}

func TestCopies(t *testing.T) {
	inScope(t, func() {
		x := torch.FromSlice([]float32{1, 2}, 2)
		copied := x.CopyTo(torch.NewDevice("cpu"))
		x.Write(make([]byte, 8))
		assert.Equal(t, []float32{1, 2}, torch.Slice[float32](copied))
		assert.Equal(t, torch.Slice[float32](copied), torch.Slice[float32](copied.PinMemory()))
	})
}

func TestPropertiesOfTheCPU(t *testing.T) {
	inScope(t, func() {
		p, err := torch.DeviceProperties(torch.Device{})
		require.NoError(t, err)
		assert.Equal(t, runtime.NumCPU(), p.Processors)
		assert.Equal(t, torch.CPUCapability(), p.Capability)
		if runtime.GOOS == "linux" {
			assert.Positive(t, p.TotalMemory)
		}
		before, err := torch.MemoryStats(torch.Device{})
		require.NoError(t, err)
		torch.Zeros([]int64{1024}, false)
		after, err := torch.MemoryStats(torch.Device{})
		require.NoError(t, err)
		assert.Equal(t, before.Allocated+4096, after.Allocated)
		assert.Equal(t, before.Allocations+1, after.Allocations)
	})
}
