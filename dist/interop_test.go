//go:build interop

package dist

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// The real torchrun starts ranks that find each other, in the store that it hosts and in
// one of their own.
func TestInteropTorchrun(t *testing.T) {
	torchtest.Need(t)
	python := interop.Python(t, "torch")
	f := func(share string) {
		t.Helper()
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), python, "-m", "torch.distributed.run", "--standalone", "--no-python", "--nproc-per-node", "2", os.Args[0])
		cmd.Env = append(os.Environ(), jobVariable+"=mlp", "TORCHLIT_DIST_TEST_DIR="+dir, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE="+share)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		first, second := readState(t, filepath.Join(dir, "0")), readState(t, filepath.Join(dir, "1"))
		assert.NotEmpty(t, first)
		assert.Equal(t, first, second)
	}
	f("0")
	f("1")
}
