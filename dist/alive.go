package dist

import (
	"net"
	"time"
)

// aliveAfter is when a connection to a machine that does not answer ends.
const aliveAfter = 25 * time.Second

// setAlive makes the system end a connection whose other machine has vanished: by
// probes while nothing is sent, and, where the system has it, by a limit on how long
// what was sent may stay unacknowledged.
func setAlive(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3})
	setUserTimeout(tcp, aliveAfter)
}
