package process

import "syscall"

// OwnGroup makes a child leader of a process group, so that Ctrl-C does not reach it beside the signal that its parent passes on, and has
// the kernel tell it to stop when the thread that started it is gone: whoever starts it must keep that, by runtime.LockOSThread or from
// a thread of the runtime that stays.
func OwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
