package launch

import "syscall"

// processAttributes put a rank into a process group of its own, so that Ctrl-C reaches
// it once, from us, and end it when we are killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
