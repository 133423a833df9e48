//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package predlog

import (
	"os"
	"syscall"
)

// folderLock is held, shared, by each process that has the log open. A damaged file is moved only by whoever can have it alone: the
// others would go on writing to a file that nobody reads. SQLite's own locks are on the file itself.
type folderLock struct{ f *os.File }

func lockFolder(path string) (*folderLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return &folderLock{f}, nil
}

// alone reports whether no other process has the log open, and keeps new ones out until share is called.
func (l *folderLock) alone() bool {
	if syscall.Flock(int(l.f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		l.share() // the shared lock is given up for the try
		return false
	}
	return true
}

// share lets others in again. A lock that cannot be had back is one less that keeps a file from being moved, no more.
func (l *folderLock) share() { _ = syscall.Flock(int(l.f.Fd()), syscall.LOCK_SH) }

func (l *folderLock) close() { _ = l.f.Close() }
