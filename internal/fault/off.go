//go:build !faults

// Package fault crashes the native side on demand, in builds with the tag faults. In others it does nothing.
package fault

// BeforeBatch does nothing in this build.
func BeforeBatch() {}
