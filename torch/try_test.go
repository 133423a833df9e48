package torch_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

func TestTry(t *testing.T) {
	torchtest.Need(t)
	var refused *torch.Error
	err := torch.Try(func() { torch.NewTensor([]float32{1}).Index(5).Close() })
	require.ErrorAs(t, err, &refused)
	require.NoError(t, torch.Try(func() {}))
	mine := errors.New("mine")
	assert.PanicsWithValue(t, mine, func() { torch.Try(func() { panic(mine) }) })
	assert.PanicsWithValue(t, "mine", func() { torch.Try(func() { panic("mine") }) })
}

// Where there is no native library, Try and the Try forms say so, and name what to do.
// The test runs itself again, as the library is opened once in a process.
func TestTryWithoutTheNativeLibrary(t *testing.T) {
	if os.Getenv("TORCHLIT_NATIVE") != "/nowhere" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		again.Env = append(os.Environ(), "TORCHLIT_NATIVE=/nowhere")
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	err := torch.Try(func() { torch.Ones([]int64{1}, false) })
	require.ErrorContains(t, err, "make build")
	_, err = torch.TryRelu(torch.Tensor{})
	require.Error(t, err)
	require.Error(t, torch.Available())
}
