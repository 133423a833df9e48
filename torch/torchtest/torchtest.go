// Package torchtest is what tests that need libtorch have in common.
package torchtest

import (
	"os"
	"testing"

	"github.com/torchlit/torchlit/torch"
)

// Need skips the test, with the reason, on a machine without the native library;
// with TORCHLIT_REQUIRE_ALL set, as in CI, it fails instead.
func Need(t testing.TB) {
	t.Helper()
	err := torch.Available()
	switch {
	case err == nil:
	case os.Getenv("TORCHLIT_REQUIRE_ALL") != "":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
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
