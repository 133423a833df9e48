package supervise

import "syscall"

// processAttributes makes a worker end with its supervisor, and keeps it out of the terminal's group: Ctrl-C reaches the supervisor
// alone, which passes it on once.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
