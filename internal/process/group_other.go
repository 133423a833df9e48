//go:build !linux

// Package process has what all who start processes want to be sure of.
package process

import "syscall"

// OwnGroup makes a child leader of a process group, so that Ctrl-C does not reach it beside the signal that its parent passes on.
func OwnGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
