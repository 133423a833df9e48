//go:build linux

package isolate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// largeJPEG is a picture of a size.
func largeJPEG(t testing.TB, width, height int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = byte(i >> 8)
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, nil))
	return b.Bytes()
}

// parentCommand runs this test as the parent that will be killed.
func parentCommand(t *testing.T) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "ISOLATE_PARENT=1")
	return cmd
}

// workersOf reads what the parent says of its workers.
func workersOf(t *testing.T, out io.Reader) (pids []int) {
	t.Helper()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if list, ok := strings.CutPrefix(lines.Text(), "workers "); ok {
			for _, f := range strings.Fields(list) {
				pid, err := strconv.Atoi(f)
				require.NoError(t, err)
				pids = append(pids, pid)
			}
			return pids
		}
	}
	return nil
}

// zombie reports whether a process has ended and nobody has waited for it.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}

// openFiles are what the descriptors of a process stand for.
func openFiles(t testing.TB, pid int) (names []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	list, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrPermission) {
		t.Log("who is not root cannot see what a worker has open")
		return nil
	}
	require.NoError(t, err)
	for _, e := range list {
		name, err := os.Readlink(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		names = append(names, name)
	}
	return names
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
