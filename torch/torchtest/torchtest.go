// Package torchtest is what tests that need libtorch have in common.
package torchtest

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/torch"
)

// Need skips the test, with the reason, on a machine without the native library;
// with TORCHLIT_REQUIRE_ALL set, as in CI, it fails instead.
func Need(t testing.TB) {
	t.Helper()
	if err := torch.Available(); err != nil {
		Skip(t, err.Error())
	}
}

// Skip skips the test for that reason; with TORCHLIT_REQUIRE_ALL set it fails.
func Skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// Main runs a package's tests. On a machine without the native library, where the
// tests skip themselves, it leaves out the examples, which cannot. Goroutines that are
// left at the end are a failure.
func Main(m *testing.M) int {
	flag.Parse()
	if torch.Available() != nil && os.Getenv("TORCHLIT_REQUIRE_ALL") == "" {
		if err := flag.Set("test.skip", "^Example"); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// NoLeak fails the test if it ends with more tensors alive than it began with.
// Call it first, so that it looks last.
func NoLeak(t testing.TB) {
	t.Helper()
	before := torch.LiveTensors()
	t.Cleanup(func() {
		if after := torch.LiveTensors(); after > before {
			t.Errorf("%d tensors leaked", after-before)
		}
	})
}
