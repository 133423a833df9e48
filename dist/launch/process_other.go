//go:build !linux

package launch

import "syscall"

// processAttributes put a rank into a process group of its own, so that Ctrl-C reaches
// it once, from us.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
