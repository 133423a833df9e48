package jit_test

import (
	"flag"
	"os"
	"testing"

	"github.com/torchlit/torchlit/torch"
)

// TestMain leaves out the examples on a machine without the native library, where
// the tests skip themselves: an example cannot.
func TestMain(m *testing.M) {
	flag.Parse()
	if torch.Available() != nil && os.Getenv("TORCHLIT_REQUIRE_ALL") == "" {
		if err := flag.Set("test.skip", "^Example"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
