//go:build !linux

package server

// yieldToAnswers does nothing where threads have no priority of their own.
func yieldToAnswers() {}
