//go:build unix && !linux

package wandb

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps a Ctrl-C that is for the training from the upload, which is to
// go on until the end of the run is uploaded, too.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// kill stops cmd and the processes that it started.
func kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
