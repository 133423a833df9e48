//go:build linux || darwin

package main

import "golang.org/x/sys/unix"

// reusePort lets another socket listen on the same address.
func reusePort(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }
