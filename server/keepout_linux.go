package server

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepOut makes the kernel drop whatever else arrives for a listening socket, by a packet filter that keeps nothing. New
// clients then find nobody home and, when the listener is closed, a refused connection: before they have sent
// anything. Connections that exist are not touched. Where it fails a drain may reset the few that connect as it closes.
func keepOut(ln net.Listener) {
	dropAll := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	control(ln, func(fd int) {
		_ = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &dropAll})
	})
}

// hasBacklog reports whether connections wait to be accepted.
func hasBacklog(ln net.Listener) (yes bool) {
	control(ln, func(fd int) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		yes = n > 0 && err == nil
	})
	return yes
}

// control calls f with ln's descriptor, if it has one and is open.
func control(ln net.Listener, f func(fd int)) {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
