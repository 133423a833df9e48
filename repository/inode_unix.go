//go:build unix

package repository

import (
	"io/fs"
	"syscall"
)

// inode tells files of one path apart that were renamed into it.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}
