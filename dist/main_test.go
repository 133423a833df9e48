package dist

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

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
	code := torchtest.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
