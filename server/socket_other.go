//go:build !linux && !darwin

package server

import (
	"net"
	"syscall"
)

// peeker sees nothing here: requests of clients that leave run to their end.
type peeker struct{}

func (*peeker) gone(syscall.RawConn) bool { return false }

// hasBacklog cannot tell here: a drain may reset the connections that are made as it closes the listener.
func hasBacklog(net.Listener) bool { return false }

// readable cannot tell here.
func readable(syscall.RawConn) bool { return false }
