//go:build !linux

package supervise

import "syscall"

// processAttributes keeps a worker out of the terminal's group. There is no parent death signal here; see Orders.Orphaned.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
