//go:build unix

package safetensors

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mapFile maps the file read-only. The mapping outlives the descriptor, so
// none is kept open.
func mapFile(path string) (data []byte, release func() error, err error) {
	f, size, err := openSized(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if size == 0 { // mmap refuses empty files
		return nil, func() error { return nil }, nil
	}
	data, err = unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot map %d bytes: %w", size, err)
	}
	return data, func() error { return unix.Munmap(data) }, nil
}
