//go:build !linux

package server

import "net"

// keepOut does nothing here: a drain may reset the few connections that are made as the listener closes.
func keepOut(net.Listener) {}

// hasBacklog cannot tell here.
func hasBacklog(net.Listener) bool { return false }
