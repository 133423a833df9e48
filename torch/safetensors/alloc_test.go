//go:build !race

package safetensors

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Loading a model asks for each tensor by name and decodes it into memory that
// is already there; neither may allocate.
func TestReadingDoesNotAllocate(t *testing.T) {
	f, err := Open("testdata/floats.safetensors")
	require.NoError(t, err)
	defer f.Close()
	v, _ := f.Tensor("x.f16")
	dst := make([]float32, v.Numel())
	half := make([]byte, len(v.Data))
	n := testing.AllocsPerRun(100, func() {
		v, _ := f.Tensor("x.f16")
		if DecodeFloat32(dst, v) != nil {
			t.Fail()
		}
		EncodeFloat16(half, dst)
	})
	require.Zero(t, n)
}
