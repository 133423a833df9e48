//go:build interop

package torch_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/jit"
)

// TestInteropSave has PyTorch read what Save, SaveDict and a module's Save wrote.
func TestInteropSave(t *testing.T) {
	python := interop.Python(t, "torch")
	dir := t.TempDir()
	inScope(t, func() {
		ramp := torch.FromSlice([]float32{0, 1, 2, 3, 4, 5}, 2, 3)
		tensors := map[string]torch.Tensor{
			"scalar":     torch.FromSlice([]float64{2.5}),
			"empty":      torch.Zeros([]int64{0, 3}, false),
			"transposed": torch.Transpose(ramp, 0, 1),
			"long":       torch.FromSlice([]int64{-1, 1 << 40}, 2),
			"bool":       torch.FromBytes([]byte{0, 1, 1}, torch.Bool, 3),
			"half":       ramp.CastTo(torch.Half),
			"bfloat16":   ramp.CastTo(torch.BFloat16),
			"complex":    torch.FromSlice([]float32{1, 2}, 2).CastTo(torch.ComplexFloat),
			"uint16":     torch.FromBytes([]byte{1, 0, 255, 255}, 27, 2),
		}
		for name, x := range tensors {
			x.Save(filepath.Join(dir, name+".pt"))
		}
		torch.Ones([]int64{2}, true).Save(filepath.Join(dir, "grad.pt"))
		torch.SaveDict(tensors, filepath.Join(dir, "dict.pt"))

		net := torch.LoadDict(filepath.Join(goldens, "state_dict.pt"))
		net["0.weight"] = ramp
		torch.SaveDict(net, filepath.Join(dir, "net.pt"))

		module, err := jit.Load("jit/testdata/module.pt")
		require.NoError(t, err)
		defer module.Close()
		require.NoError(t, module.Save(filepath.Join(dir, "module.pt")))
	})
	t.Log(interop.Run(t, python, "testdata/save_check.py", dir))
}
