//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package predlog

// folderLock does nothing here: a damaged file is moved aside as if no other process had it open.
type folderLock struct{}

func lockFolder(string) (*folderLock, error) { return &folderLock{}, nil }
func (*folderLock) alone() bool              { return true }
func (*folderLock) share()                   {}
func (*folderLock) close()                   {}
