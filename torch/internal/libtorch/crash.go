//go:build faults && cgo

package libtorch

// static void crash(void) { *(volatile int *)8 = 1; }
import "C"

// Crash writes where there is no memory.
func Crash() { C.crash() }
