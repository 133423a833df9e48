//go:build !linux

package predict

// yieldToServing does nothing where threads have no priority of their own.
func yieldToServing() {}
