//go:build linux || darwin

package server

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peeker looks at a socket without taking anything out of it. One goroutine uses it.
type peeker struct {
	buf    [1]byte
	closed bool
	look   func(fd uintptr)
}

// gone reports whether the other end has closed the connection, or we have.
func (p *peeker) gone(raw syscall.RawConn) bool {
	if p.look == nil {
		p.look = p.peek // made once: a method value allocates
	}
	p.closed = false
	if err := raw.Control(p.look); err != nil {
		return true
	}
	return p.closed
}

func (p *peeker) peek(fd uintptr) {
	n, _, err := unix.Recvfrom(int(fd), p.buf[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case err == nil:
		p.closed = n == 0
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOTSOCK):
	default:
		p.closed = true // reset, timed out, unreachable
	}
}

// hasBacklog reports whether connections wait to be accepted from ln.
func hasBacklog(ln net.Listener) bool {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	return err == nil && readable(raw)
}

// readable reports whether a read of the socket would not wait: there are bytes, or its end, or connections to accept.
func readable(raw syscall.RawConn) (yes bool) {
	if raw == nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		yes = n > 0 && err == nil
	})
	return yes
}
