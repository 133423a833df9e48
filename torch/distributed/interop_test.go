//go:build interop

package distributed_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/torch/distributed"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// The declarations of csrc/nccl_api.h agree with NVIDIA's nccl.h, and its library, which
// opens without a GPU, has all the functions.
func TestInteropNCCL(t *testing.T) {
	torchtest.Need(t)
	python := interop.Python(t, "nccl")
	found, err := filepath.Glob(filepath.Join(filepath.Dir(python), "..", "lib", "python3*", "site-packages", "nvidia"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	cuda, nccl := filepath.Join(found[0], "cu13"), filepath.Join(found[0], "nccl")
	out, err := exec.CommandContext(t.Context(), "c++", "-std=c++17", "-fsyntax-only",
		"-isystem", filepath.Join(nccl, "include"), "-isystem", filepath.Join(cuda, "include"), "-isystem", filepath.Join(cuda, "include", "cccl"),
		"../csrc/testdata/nccl_check.cc").CombinedOutput()
	require.NoError(t, err, string(out))

	require.NoError(t, os.Setenv("TORCHLIT_NCCL", filepath.Join(nccl, "lib", "libnccl.so.2")))
	defer os.Unsetenv("TORCHLIT_NCCL")
	version, err := distributed.OpenNCCL()
	require.NoError(t, err)
	assert.EqualValues(t, 22809, version)
}
