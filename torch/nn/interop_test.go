//go:build interop

package nn_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/torchtest"
)

// TestInteropStateDict has PyTorch load what TorchStateDict names.
func TestInteropStateDict(t *testing.T) {
	torchtest.Need(t)
	python := interop.Python(t, "torch")
	dir := t.TempDir()
	st, pt := filepath.Join(dir, "net.safetensors"), filepath.Join(dir, "net.pt")
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		n := newPyNet()
		require.NoError(t, nn.SetTorchStateDict(n, torch.LoadSafetensors("testdata/net.safetensors")))
		torch.SaveSafetensors(nn.TorchStateDict(n), st, nil)
		torch.SaveDict(nn.TorchStateDict(n), pt)
	})
	t.Log(interop.Run(t, python, "testdata/check.py", st, pt))
}
