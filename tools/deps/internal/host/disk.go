package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// NeedSpace returns an error when the file system of dir (which need not exist yet)
// has less than mb megabytes (10^6 bytes) free for this user.
func NeedSpace(dir string, mb int64) error {
	at, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(at, &st); err != nil {
		return fmt.Errorf("cannot ask how much space %q has: %w", at, err)
	}
	return enough(dir, mb, int64(st.Bavail)*int64(st.Bsize)/1_000_000)
}

func enough(dir string, need, free int64) error {
	if free >= need {
		return nil
	}
	return fmt.Errorf("not enough disk space: %d MB are needed in %q and %d MB are free; make room, or make the folder a link to a bigger disk", need, dir, free)
}
