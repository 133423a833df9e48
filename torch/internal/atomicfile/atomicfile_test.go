package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put := func(s string, err error) error {
		return Write(path, func(w io.Writer) error {
			_, _ = io.WriteString(w, s)
			return err
		})
	}
	require.NoError(t, put("one", nil))
	require.NoError(t, put("two", nil))
	require.Error(t, put("half", errors.New("the disk is full")))

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "two", string(data))
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, files, 1, "nothing is left beside it")
}
