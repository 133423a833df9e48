// Package atomicfile writes files that are either the old one or the whole of
// the new one, even when the power fails.
package atomicfile

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
)

// Write has fill write a hidden file beside path and renames it over path once it
// is whole and on the disk. When fill fails, path stays as it was.
func Write(path string, fill func(io.Writer) error) error {
	return Replace(path, func(temp string) error {
		// Not os.CreateTemp: its files are readable by their owner only, and a
		// server often runs as another user than the trainer.
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		if err := fill(f); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	})
}

// Replace is Write for those who want a path to write to: make creates temp.
func Replace(path string, make func(temp string) error) (err error) {
	dir, base := filepath.Split(path)
	temp := filepath.Join(dir, fmt.Sprintf(".%s.tmp-%016x", base, rand.Uint64()))
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	if err := make(temp); err != nil {
		return err
	}
	if err := syncFile(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Clean(dir))
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncDir makes a rename survive a power failure. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
