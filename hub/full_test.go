package hub

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A disk that fills up is left as it was found.
func TestFullDisk(t *testing.T) {
	blob := filepath.Join(t.TempDir(), "abc")
	require.NoError(t, os.WriteFile(blob+".incomplete", []byte("half"), 0o600))
	err := explainFull(fmt.Errorf("write: %w", syscall.ENOSPC), blob, 45_000_001)
	assert.ErrorIs(t, err, syscall.ENOSPC)
	assert.ErrorContains(t, err, "what had arrived was removed; free 46 MB in ")
	assert.ErrorContains(t, err, "set HF_HOME to a folder on another disk")
	assert.NoFileExists(t, blob+".incomplete")

	other := errors.New("other")
	assert.Equal(t, other, explainFull(other, blob, 1))
}

func TestRoom(t *testing.T) {
	blob := filepath.Join(t.TempDir(), "abc")
	assert.NoError(t, room(blob, 1000))
	if _, ok := freeBytes(filepath.Dir(blob)); !ok {
		t.Skip("skipped: this system does not say what is free on a disk")
	}
	err := room(blob, math.MaxInt64-1_000_000)
	assert.ErrorIs(t, err, syscall.ENOSPC)
	assert.ErrorContains(t, err, "MB more, and there are")
}
