package supervise

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/torchlit/torchlit/internal/process"
	"github.com/torchlit/torchlit/internal/sockets"
)

// worker is a process that was started. Only the supervisor's loop uses it, save for the two goroutines that start makes: one waits for
// the process, one reads what it says.
type worker struct {
	pid     int
	process *os.Process
	ready   bool
	since   time.Time // of being ready
	pinged  time.Time // its last sign of life
	state   *os.ProcessState
}

// event is what a worker did.
type event struct {
	of   *worker
	what string // said, without the newline; "" for the end of the process
}

// start starts a worker; what becomes of it arrives as events.
func (s *supervisor) start(hold bool) (*worker, error) {
	says, pipe, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start a worker: %w", err)
	}
	defer pipe.Close()
	orders := Orders{Notify: firstFD + len(s.files), Restarts: s.restarts, Hold: hold, Watchdog: s.cfg.Watchdog, Supervisor: os.Getpid()}
	for i, name := range s.cfg.Sockets.Names() {
		orders.Sockets = append(orders.Sockets, sockets.Handed{Name: name, FD: firstFD + i})
	}
	text, err := json.Marshal(orders)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	cmd := exec.Command(s.cfg.Path, s.cfg.Args...)
	cmd.Env = append(workerEnv(os.Environ()), variable+"="+string(text))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = append(append([]*os.File{}, s.files...), pipe)
	cmd.SysProcAttr = process.OwnGroup()

	w := &worker{}
	if err := s.launch(cmd, w); err != nil {
		_ = says.Close()
		return nil, fmt.Errorf("cannot start a worker: %w", err)
	}
	s.readers.Go(func() {
		defer says.Close()
		for lines := bufio.NewScanner(says); lines.Scan(); {
			if lines.Text() != "" {
				s.events <- event{w, lines.Text()}
			}
		}
	})
	return w, nil
}

// launch starts cmd and waits for its end in a goroutine that keeps its thread: the kernel sends the parent death signal when the
// thread that made the child ends, not the process.
func (s *supervisor) launch(cmd *exec.Cmd, w *worker) error {
	started := make(chan error)
	s.readers.Go(func() {
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			w.pid, w.process = cmd.Process.Pid, cmd.Process
		}
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait()
		w.state = cmd.ProcessState
		s.events <- event{of: w}
	})
	return <-started
}

// signal sends sig, if the worker still runs.
func (w *worker) signal(sig os.Signal) {
	if w != nil {
		_ = w.process.Signal(sig)
	}
}

// workerEnv leaves out what was meant for the supervisor: a worker that took systemd's variables for its own would speak to it itself.
func workerEnv(env []string) []string {
	var kept []string
	for _, e := range env {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", variable:
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// died says how a worker ended, for a log.
func died(state *os.ProcessState) string {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return "killed by " + status.Signal().String()
	}
	return "exit code " + strconv.Itoa(state.ExitCode())
}
