package smalldisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk is a file system of a test's own.
type Disk struct {
	Dir string
	t   testing.TB
}

// New mounts a file system of so many bytes, until the end of the test, which is skipped where that is not allowed.
func New(t testing.TB, bytes int64) *Disk {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("size=%d", bytes)
	if err := unix.Mount("smalldisk", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("cannot unmount %q: %v", dir, err)
		}
	})
	return &Disk{dir, t}
}

// Fill takes all that is free, and returns what gives it back.
func (d *Disk) Fill() (free func()) {
	d.t.Helper()
	name := filepath.Join(d.Dir, ".ballast")
	f, err := os.Create(name)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(chunk)
	}
	if !errors.Is(err, unix.ENOSPC) {
		d.t.Fatalf("cannot fill the disk: %v", err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			d.t.Fatal(err)
		}
	}
}

// Free is how many bytes are free.
func (d *Disk) Free() int64 {
	d.t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(d.Dir, &st); err != nil {
		d.t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}

// Resize makes the disk hold so many bytes.
func (d *Disk) Resize(bytes int64) {
	d.t.Helper()
	if err := unix.Mount("smalldisk", d.Dir, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", bytes)); err != nil {
		d.t.Fatalf("cannot mount %q anew: %v", d.Dir, err)
	}
}

// ReadOnly makes the disk refuse what is written from now on, as a kernel does that has met an error of it; or takes that back. The
// disk must have no file open for writing.
func (d *Disk) ReadOnly(yes bool) {
	d.t.Helper()
	flags := uintptr(unix.MS_REMOUNT)
	if yes {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount("smalldisk", d.Dir, "tmpfs", flags, ""); err != nil {
		d.t.Fatalf("cannot mount %q anew: %v", d.Dir, err)
	}
}
