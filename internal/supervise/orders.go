package supervise

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/torchlit/torchlit/internal/sockets"
)

// variable carries a worker's orders.
const variable = "TORCHLIT_WORKER"

// firstFD is the number of a child's first descriptor beside its standard ones.
const firstFD = 3

// SignalReplaced tells a worker that another has taken its place: it stops accepting, answers what it has, and ends.
const SignalReplaced = syscall.SIGUSR2

// Orders are what a supervisor tells a worker in its environment.
type Orders struct {
	Sockets    []sockets.Handed `json:"sockets"`
	Notify     int              `json:"notify"`     // descriptor to speak to the supervisor by
	Restarts   int              `json:"restarts"`   // of workers that died, before this one
	Hold       bool             `json:"hold"`       // another worker serves: accept nothing before being ready
	Watchdog   time.Duration    `json:"watchdog"`   // a sign of life is due this often; 0 for never
	Supervisor int              `json:"supervisor"` // its process id

	pipe *os.File
}

// ReadOrders returns the orders of this process, nil when no supervisor started it. It takes them out of the environment, so that no
// child of this process believes to be the worker.
func ReadOrders() (*Orders, error) {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return nil, nil
	}
	_ = os.Unsetenv(variable)
	o := &Orders{}
	if err := json.Unmarshal([]byte(text), o); err != nil {
		return nil, fmt.Errorf("cannot read %s=%q: %w; it is set by serve --supervise only", variable, text, err)
	}
	syscall.CloseOnExec(o.Notify)
	for _, h := range o.Sockets {
		syscall.CloseOnExec(h.FD)
	}
	o.pipe = os.NewFile(uintptr(o.Notify), "supervisor")
	return o, nil
}

// Tell says a line of sd_notify's words to the supervisor, such as READY=1. Nobody may listen any more; that is no error.
func (o *Orders) Tell(line string) {
	_, _ = o.pipe.WriteString(line + "\n")
}

// Orphaned reports whether the supervisor has gone.
func (o *Orders) Orphaned() bool { return os.Getppid() != o.Supervisor }
