package torch_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

func cpuMemory(t testing.TB) torch.Stats {
	t.Helper()
	s, err := torch.MemoryStats(torch.Device{})
	require.NoError(t, err)
	return s
}

// Blocks of all sizes come and go on several goroutines. None may overlap another, and
// what is held must never exceed what was in use at once.
func TestBlocksDoNotOverlap(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			type block struct {
				t    torch.Tensor
				mark float32
			}
			var live []block
			release := func(i int) {
				b := live[i]
				torch.Scope(func(keep) {
					low, high := torch.Amin(b.t, nil, false).Float64(), torch.Amax(b.t, nil, false).Float64()
					if mark := float64(b.mark); low != mark || high != mark {
						t.Errorf("a block filled with %v holds %v…%v", mark, low, high)
					}
				})
				b.t.Close()
				live[i] = live[len(live)-1]
				live = live[:len(live)-1]
			}
			for n := range 2000 {
				if len(live) > 30 || len(live) > 0 && rng.IntN(3) == 0 {
					release(rng.IntN(len(live)))
				}
				// Sizes from 4 bytes to 2 MB, as many small as large.
				size := int64(1) << rng.IntN(19)
				size += rng.Int64N(size)
				mark := float32(1000*g + n%1000)
				live = append(live, block{torch.Full([]int64{size}, mark, false), mark})
				if s := cpuMemory(t); s.Reserved > s.ReservedPeak {
					t.Errorf("%d bytes are held, %d were in use at once", s.Reserved, s.ReservedPeak)
				}
			}
			for len(live) > 0 {
				release(0)
			}
		})
	}
	wg.Wait()
}

// A step's memory serves the next step: the process does not grow, and nothing goes
// back to the system until it is asked for. Under AddressSanitizer (make test-asan) all
// goes back at once, so that it sees each tensor's death.
func TestMemoryIsKeptUntilTheCacheIsEmptied(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	const size = 32 << 20
	require.NoError(t, torch.EmptyCache(torch.Device{}))
	before := cpuMemory(t).Reserved
	step := func() {
		torch.Scope(func(keep) {
			x := torch.Ones([]int64{size / 4}, false)
			torch.Relu(x)
		})
	}
	step()
	held := cpuMemory(t).Reserved
	if strings.Contains(os.Getenv("TORCHLIT_NATIVE"), "native-address") {
		assert.Equal(t, before, held)
		return
	}
	assert.GreaterOrEqual(t, held-before, int64(2*size))
	for range 10 {
		step()
	}
	assert.Equal(t, held, cpuMemory(t).Reserved)
	resident := residentMiB(t)
	require.NoError(t, torch.EmptyCache(torch.Device{}))
	assert.InDelta(t, before, cpuMemory(t).Reserved, 1<<20)
	assert.Less(t, residentMiB(t), resident-50)
}

// Memory that lies idle in blocks of one size must not be missing for another.
func TestIdleMemoryMakesRoom(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	require.NoError(t, torch.EmptyCache(torch.Device{}))
	for mib := int64(1); mib <= 64; mib += 3 {
		torch.Ones([]int64{mib << 18}, false).Close()
	}
	s := cpuMemory(t)
	assert.Less(t, s.Reserved, int64(100<<20), "64 MiB were in use at most")
}
