package torch_test

// The faults that ended gotorch's programs, or filled their machines, each as a test
// that the old way fails.

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// collectAllTheTime runs the garbage collector over and over until the test ends.
func collectAllTheTime(t *testing.T) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	t.Cleanup(func() { close(stop); wg.Wait() })
}

// Every operand of an operator with many, not only the first, must outlive the call.
func TestAllOperandsOutliveTheCall(t *testing.T) {
	torchtest.Need(t)
	collectAllTheTime(t)
	full := func(x float32) torch.Tensor { return torch.Full([]int64{64}, x, false) }
	for range 200 {
		y := torch.BatchNorm(torch.Full([]int64{2, 64}, 3, false), full(2), full(1), full(1), full(4), false, 0.1, 0)
		require.Equal(t, float32(3), torch.Slice[float32](y)[127]) // (3-1)/2·2 + 1
		list := torch.Stack([]torch.Tensor{full(1), full(2), full(3), full(4), full(5), full(6), full(7), full(8)}, 0)
		require.Equal(t, float32(36*64), float32(list.Sum().Float64()))
	}
}

func TestOptimizerClosedTwiceAndCollected(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	w := torch.Ones([]int64{8}, true)
	defer w.Close()
	opt := torch.Adam(0.1, 0.9, 0.999, 0)
	opt.AddParameters([]torch.Tensor{w})
	torch.Scope(func(keep) { torch.Sum(torch.Mul(w, w)).Backward() })
	opt.Step()
	opt.Close()
	opt.Close()
	opt = torch.Optimizer{}
	for range 3 {
		runtime.GC()
	}
	torch.ClearGrads([]torch.Tensor{w})
}

// Each of these threw a C++ exception through C, which aborts the process.
func TestExceptionsStayInTheLibrary(t *testing.T) {
	inScope(t, func() {
		refusal(t, func() { torch.RandN([]int64{2}, false).Backward() })
		refusal(t, func() { torch.RandN([]int64{2}, true).Backward() }) // not a scalar
		refusal(t, func() { torch.SetNumThreads(0) })
		refusal(t, func() { torch.SetNumThreads(-1) })
		refusal(t, func() { torch.Sum(torch.RandN([]int64{2}, true)).To(torch.NewDevice("cuda:99")) })
		refusal(t, func() { torch.FromBytes(nil, 99, 0) })
		refusal(t, func() { torch.FromBytes(nil, torch.Float, -1) })
		refusal(t, func() { torch.Empty([]int64{1 << 62, 1 << 62}, false) })
		twice := torch.Sum(torch.Exp(torch.RandN([]int64{2}, true)))
		twice.Backward()
		refusal(t, func() { twice.Backward() })
	})
}

// With one CPU the default number of threads was half of it, which libtorch refuses
// by an exception before main.
func TestStartsOnOneCPU(t *testing.T) {
	torchtest.Need(t)
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		torchtest.Skip(t, "taskset (util-linux) is not here to start a process on one CPU")
	}
	out, err := exec.Command(taskset, "-c", firstCPU(t), os.Args[0], "-test.run=^TestBackward$", "-test.v").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "--- PASS: TestBackward")
}

// firstCPU names a CPU that this process may use.
func firstCPU(t *testing.T) string {
	t.Helper()
	list := statusLine(t, "Cpus_allowed_list")
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == '-' })[0]
}

// The collector sees a few bytes of each tensor; it used to let them fill the memory.
func TestDroppedTensorsDoNotFillTheMemory(t *testing.T) {
	torchtest.Need(t)
	if testing.Short() {
		torchtest.Skip(t, "it fills and drops two gigabytes")
	}
	before, peak := residentMiB(t), 0
	for range 32 { // 2 GiB in all
		torch.Ones([]int64{16 << 20}, false) // 64 MiB, dropped
		peak = max(peak, residentMiB(t)-before)
	}
	assert.Less(t, peak, 1000, "MiB were resident at once")
}

// It used to wait for tensors that somebody still refers to, that is for ever.
func TestGCDoesNotWaitForTensorsInUse(t *testing.T) {
	torchtest.Need(t)
	a := torch.Ones([]int64{4}, false)
	defer a.Close()
	done := make(chan struct{})
	go func() {
		for range 3 {
			torch.GC()
		}
		torch.FinishGC()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("GC hangs while a tensor is in use")
	}
	assert.Equal(t, []float32{1, 1, 1, 1}, torch.Slice[float32](a))
}

// Each goroutine in a C call holds an OS thread, and each thread that runs an operator
// gets a team of libtorch's: with 64 goroutines there were some 250 threads.
func TestGoroutinesShareAFewThreads(t *testing.T) {
	torchtest.Need(t)
	limit := 64 + 4*runtime.GOMAXPROCS(0)*max(1, torch.NumThreads())
	f := func(name string, work func(i int)) {
		t.Helper()
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 1000 {
			wg.Go(func() {
				<-start
				work(i)
			})
		}
		close(start)
		wg.Wait()
		assert.Less(t, threads(t), limit, "OS threads after %s", name)
	}
	f("operators", func(i int) {
		x := float64(i % 50)
		a := torch.Full([]int64{100, 100}, float32(x), false)
		if got := torch.MM(a, a).Index(99, 99).Float64(); got != 100*x*x {
			t.Errorf("wrong product: %v", got)
		}
	})
	f("scopes", func(i int) {
		torch.Scope(func(keep) {
			torch.NoGrad(func() { torch.MM(torch.Ones([]int64{100, 100}, false), torch.Ones([]int64{100, 100}, false)) })
		})
	})
}

// Holders of a thread that wait for one another must not lock up, however many.
func TestScopesThatWaitForEachOther(t *testing.T) {
	torchtest.Need(t)
	n := max(32, 2*runtime.GOMAXPROCS(0)) + 2
	var wg, all sync.WaitGroup
	all.Add(n)
	for range n {
		wg.Go(func() {
			torch.Scope(func(keep) {
				all.Done()
				all.Wait()
			})
		})
	}
	wg.Wait()
}

func statusLine(t *testing.T, key string) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		torchtest.Skip(t, fmt.Sprintf("no /proc here: %v", err))
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("/proc/self/status has no %s", key)
	return ""
}

func statusNumber(t *testing.T, key string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.Fields(statusLine(t, key))[0])
	require.NoError(t, err)
	return n
}

func threads(t *testing.T) int     { t.Helper(); return statusNumber(t, "Threads") }
func residentMiB(t *testing.T) int { t.Helper(); return statusNumber(t, "VmRSS") / 1024 }
