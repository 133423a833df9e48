//go:build linux && !race

package predict

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// TestRunsDoNotLeak holds the resident memory still over many batches, and over
// many runners.
func TestRunsDoNotLeak(t *testing.T) {
	m := mustModel(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 32, 10), Options{MaxBatch: 8, Threads: 1})
	r := mustRunner(t, m)
	in, out := images(r, 8), make([][]float32, 8)
	budget := 16 << 20
	if strings.Contains(os.Getenv("TORCHLIT_NATIVE"), "native-address") {
		budget = 64 << 20 // AddressSanitizer's allocator keeps more for itself
	}
	f := func(what string, times int, work func()) {
		t.Helper()
		work()
		before := residentBytes(t)
		for range times {
			work()
		}
		if grown := residentBytes(t) - before; grown > budget {
			t.Errorf("%s %d times: memory grew by %d bytes", what, times, grown)
		}
	}
	f("running batches", 40, func() {
		if err := r.Run(in, out); err != nil {
			t.Fatal(err)
		}
	})
	f("making runners", 10, func() {
		other, err := m.NewRunner()
		if err != nil {
			t.Fatal(err)
		}
		other.Close()
	})
	dir := mustScript(t, "bright.pt", nil)
	f("opening modules", 50, func() {
		m := mustOpen(t, dir, Options{MaxBatch: 4, Threads: 1})
		r := mustRunner(t, m)
		if err := r.Run([][]byte{bright(r)}, make([][]float32, 1)); err == nil {
			t.Fatal("a bright image was answered")
		}
		r.Close()
		m.Close()
	})
}

func residentBytes(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize()
}

// TestRunAllocatesAnswersOnly: all answers of a batch are one allocation.
func TestRunAllocatesAnswersOnly(t *testing.T) {
	r := mustRunner(t, mustModel(t, mustNetwork(t, "resnet18", resnet.CIFARStem, 8, 10), Options{MaxBatch: 4, Threads: 1}))
	in, out := images(r, 4), make([][]float32, 4)
	allocs := testing.AllocsPerRun(20, func() {
		if err := r.Run(in, out); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("a batch allocates %v times; want 1", allocs)
	}
}
