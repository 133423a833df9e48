package dist

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/torchlit/torchlit/torch/torchtest"
)

// jobVariable tells the test binary to be a rank, and which job of jobs it does.
const jobVariable = "TORCHLIT_DIST_TEST_JOB"

// TestMain runs the tests, or a rank of one of them.
func TestMain(m *testing.M) {
	if name := os.Getenv(jobVariable); name != "" {
		if err := jobs[name](context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "failed:", err)
			os.Exit(3)
		}
		return
	}
	os.Exit(torchtest.Main(m))
}
