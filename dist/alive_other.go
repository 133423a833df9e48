//go:build !linux

package dist

import (
	"net"
	"time"
)

func setUserTimeout(*net.TCPConn, time.Duration) {}

// gone is only asked for beside NCCL, which is Linux's.
func gone(*net.TCPConn) bool { return false }
