package host

import (
	"fmt"
	"os"
	"syscall"
)

// Lock waits until no other process holds the lock file and takes it; the file is made
// when missing and stays. The returned function gives it back, and so does the end of
// the process.
func Lock(name string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		waiting()
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			f.Close()
			return nil, fmt.Errorf("cannot lock %q: %w", name, err)
		}
	}
	return func() { f.Close() }, nil
}
