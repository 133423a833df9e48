//go:build interop

package store

import (
	"bufio"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
)

// PyTorch's client works with our server.
func TestInteropPyTorchClient(t *testing.T) {
	s := open(t)
	python := interop.Python(t, "torch")
	out := interop.Run(t, python, "testdata/client.py", strconv.Itoa(s.Addr().Port))
	assert.True(t, strings.HasSuffix(strings.TrimSpace(out), "ok"), out) // PyTorch warns of the wait that times out
	got, err := dial(t, s).Get(t.Context(), "from python")
	require.NoError(t, err)
	assert.Equal(t, []byte("value"), got)
}

// Our client works with PyTorch's server, as under torchrun.
func TestInteropPyTorchServer(t *testing.T) {
	python := interop.Python(t, "torch")
	cmd := exec.CommandContext(t.Context(), python, "testdata/server.py")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	c, err := Dial(t.Context(), "127.0.0.1:"+lines.Text())
	require.NoError(t, err)
	defer c.Close()
	ctx := t.Context()

	got, err := c.Get(ctx, "from python")
	require.NoError(t, err)
	assert.Equal(t, []byte("value"), got)
	n, err := c.Add(ctx, "n", 3)
	require.NoError(t, err)
	assert.EqualValues(t, 3, n)
	now, err := c.SetOnce(ctx, "once", []byte("first"))
	require.NoError(t, err)
	assert.Equal(t, []byte("first"), now)
	now, err = c.SetOnce(ctx, "once", []byte("second"))
	require.NoError(t, err)
	assert.Equal(t, []byte("first"), now)
	there, err := c.Has(ctx, "n", "once")
	require.NoError(t, err)
	assert.True(t, there)
	require.NoError(t, c.Set(ctx, "from go", []byte("hello"))) // ends the script
	require.True(t, lines.Scan())
	assert.Equal(t, "hello", lines.Text())
	in.Close()
	require.NoError(t, cmd.Wait())
}
