package train_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/train"
)

// A batch that does not fit into memory ends the run with what to change. The test runs
// itself again with a bound on its memory.
func TestTooLittleMemory(t *testing.T) {
	torchtest.Need(t)
	const bounded = "TORCHLIT_TEST_BOUNDED"
	if os.Getenv(bounded) == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestTooLittleMemory$")
		again.Env = append(os.Environ(), bounded+"=1")
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	cfg := small(t, stripes(t, 64))
	cfg.Data.ImageSize, cfg.Data.BatchSize, cfg.Trainer.NumSanityValSteps = 128, 128, 0
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	size, err := strconv.ParseUint(string(regexp.MustCompile(`VmSize:\s+(\d+)`).FindSubmatch(status)[1]), 10, 64)
	require.NoError(t, err)
	limit := size<<10 + 3<<30
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: limit}))
	_, err = train.Run(t.Context(), cfg, train.Events{})
	require.ErrorContains(t, err, "cannot train in batches of 128")
	require.ErrorContains(t, err, "lower data.batch_size")
}
