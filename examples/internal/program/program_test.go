package program_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/examples/internal/program"
	"github.com/torchlit/torchlit/torch/torchtest"
)

func TestParse(t *testing.T) {
	parse := func(args ...string) (batch int, lr, decay float64, err error) {
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		b := program.Positive(flags, "batch", 64, "")
		l := program.Positive(flags, "lr", 0.5, "")
		d := program.NotNegative(flags, "decay", 0.25, "")
		err = program.Parse(flags, args, os.Stderr)
		return *b, *l, *d, err
	}
	batch, lr, decay, err := parse("-batch", "3", "-decay=0")
	require.NoError(t, err)
	assert.Equal(t, 3, batch)
	assert.Equal(t, 0.5, lr)
	assert.Equal(t, 0.0, decay)

	f := func(want string, args ...string) {
		t.Helper()
		_, _, _, err := parse(args...)
		require.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "-help lists")
		assert.NotContains(t, err.Error(), "\n")
	}
	f(`invalid value "0" for flag -batch: it must be above 0`, "-batch", "0")
	f(`invalid value "-1" for flag -decay: it must not be negative`, "-decay", "-1")
	f("not a number of that kind", "-batch", "1.5")
	f("not a number of that kind", "-batch", "NaN")
	f("not a number of that kind", "-batch", "1e300")
	f("not a number of that kind", "-lr", "nan")
	f("not a number of that kind", "-lr", "Inf")
	f("not a number of that kind", "-lr", "fast")
	f("-bath", "-bath", "3")
	f(`cannot use argument "mnist"`, "mnist")
}

func TestHelp(t *testing.T) {
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	program.Positive(flags, "batch", 64, "`pictures` per step")
	var out bytes.Buffer
	assert.ErrorIs(t, program.Parse(flags, []string{"-help"}, &out), flag.ErrHelp)
	assert.Contains(t, out.String(), "-batch pictures")
	assert.Contains(t, out.String(), "(default 64)")
}

func TestDevice(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	d, err := program.Device("cpu")
	require.NoError(t, err)
	assert.Equal(t, "cpu", d.String())
	_, err = program.Device("gpu")
	assert.ErrorContains(t, err, `cannot use device "gpu"`)
	_, err = program.Device("cuda:99")
	assert.ErrorContains(t, err, `cannot use device "cuda:99"`)
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	got, err := program.Folder(dir)
	require.NoError(t, err)
	assert.Equal(t, dir, got)
	assert.DirExists(t, dir)

	t.Setenv("TMPDIR", t.TempDir())
	temporary, err := program.Folder("")
	require.NoError(t, err)
	assert.DirExists(t, temporary)

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = program.Folder(file)
	assert.ErrorContains(t, err, "cannot write to folder")
}
