//go:build !faults

package main

func injectFault([]byte) {}
