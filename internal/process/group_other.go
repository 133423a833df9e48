//go:build !linux

package process

import "syscall"

// OwnGroup makes a child leader of a process group, so that Ctrl-C does not reach it beside the signal that its parent passes on.
func OwnGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
