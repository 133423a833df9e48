//go:build !linux

package smalldisk

import "testing"

// Disk is a file system of a test's own.
type Disk struct{ Dir string }

// New skips the test.
func New(t testing.TB, _ int64) *Disk {
	t.Skip("a small file system is mounted on Linux only")
	return nil
}

// Fill is never called.
func (d *Disk) Fill() (free func()) { return nil }

// Free is never called.
func (d *Disk) Free() int64 { return 0 }

// Resize is never called.
func (d *Disk) Resize(int64) {}

// ReadOnly is never called.
func (d *Disk) ReadOnly(bool) {}
