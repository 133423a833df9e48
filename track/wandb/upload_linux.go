package wandb

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps a Ctrl-C that is for the training from the upload, which is to
// go on until the end of the run is uploaded, too. An upload that follows a run
// that is killed would wait for its end for ever, so it ends with its parent.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// kill stops cmd and the processes that it started.
func kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
