package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/torchlit/torchlit/internal/process"
)

// worker is a process that serves, as its supervisor sees it.
type worker struct {
	cmd     *exec.Cmd
	readyAt time.Time // zero before
}

// event is that a worker is ready, or that it has ended.
type event struct {
	worker *worker
	ready  bool
	code   int
	how    string
}

// What a worker finds in its environment. Descriptors are inherited from 3 on: the pipe on which it says that it is ready, then the sockets.
const (
	socketsVariable  = "TORCHLIT_SUPERVISED_SOCKETS"
	restartsVariable = "TORCHLIT_SUPERVISED_RESTARTS"
	takeoverVariable = "TORCHLIT_SUPERVISED_TAKEOVER" // set while another worker serves
	readyDescriptor  = 3
)

// start starts a worker, in the place of one that is gone or to take over from one that serves. Its events come until it has ended.
func (s *supervisor) start(takeover bool) (*worker, error) {
	tell, told, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start a worker: %w", err)
	}
	defer told.Close()
	cmd := exec.Command(s.Command[0], s.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stdout, os.Stderr
	cmd.SysProcAttr = process.OwnGroup()
	cmd.ExtraFiles = []*os.File{told}
	names := make([]string, len(s.Sockets))
	for i, socket := range s.Sockets {
		names[i] = socket.Name
		cmd.ExtraFiles = append(cmd.ExtraFiles, socket.File)
	}
	cmd.Env = append(os.Environ(), socketsVariable+"="+strings.Join(names, ":"), restartsVariable+"="+strconv.Itoa(s.restarts))
	if takeover {
		cmd.Env = append(cmd.Env, takeoverVariable+"=1")
	}
	if err := cmd.Start(); err != nil {
		_ = tell.Close()
		return nil, fmt.Errorf("cannot start a worker: %w", err)
	}
	w := &worker{cmd: cmd}
	go func() {
		defer tell.Close()
		var b [1]byte
		if n, _ := tell.Read(b[:]); n > 0 {
			s.events <- event{worker: w, ready: true}
		}
		_ = cmd.Wait()
		s.events <- w.end()
	}()
	return w, nil
}

// end is what the process ended with.
func (w *worker) end() event {
	e := event{worker: w, code: w.cmd.ProcessState.ExitCode(), how: w.cmd.ProcessState.String()}
	if status, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.code = 128 + int(status.Signal())
	}
	return e
}

func (w *worker) pid() int                   { return w.cmd.Process.Pid }
func (w *worker) signal(sig os.Signal) error { return w.cmd.Process.Signal(sig) }
func (w *worker) kill() error                { return w.cmd.Process.Kill() }
