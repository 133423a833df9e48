//go:build !linux

package cpus

// Yield does nothing where threads have no priority of their own.
func Yield(int) {}
