// Package launch starts the ranks of a training on one machine, as torchrun does: a
// process each, with the environment that package dist reads, its output marked, and the
// same end for all.
package launch

import (
	"context"
	"errors"
	"fmt"
	"github.com/torchlit/torchlit/internal/process"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/torchlit/torchlit/dist/store"
)

// Config says what to start.
type Config struct {
	Command []string // of each rank: the program and its arguments
	NProc   int      // ranks on this machine, at least 1
	// Nodes is how many machines take part, each with a launcher; 0 stands for 1. On
	// several, NodeRank is this one's number, and Addr and Port are where the launcher
	// of node 0 hosts the store. They all have the same NProc.
	Nodes, NodeRank int
	Addr            string
	Port            int // 0 on a single machine: the system chooses
	MaxRestarts     int // how often all ranks are started again after one has failed
	// Grace is how long ranks have to end after a signal until they are killed; 0
	// stands for DefaultGrace.
	Grace          time.Duration
	Stdout, Stderr io.Writer // of the ranks, each line marked; written to by one goroutine at a time
}

// ExitError says that a rank failed. It is the first that did.
type ExitError struct {
	Rank int
	Code int // its exit code; 128 and the signal's number when one ended it
	Err  error
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("rank %d failed: %v", e.Rank, e.Err)
}

func (e *ExitError) Unwrap() error { return e.Err }

// DefaultGrace is the Grace of a Config without one.
const DefaultGrace = 30 * time.Second

// Validate fills in the defaults and tells the first thing that is wrong.
func (c *Config) Validate() error {
	if c.Nodes == 0 {
		c.Nodes = 1
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	switch {
	case len(c.Command) == 0:
		return errors.New("cannot launch nothing: give a command, such as train, after --")
	case c.NProc < 1:
		return fmt.Errorf("cannot launch %d processes: give at least 1", c.NProc)
	case c.Nodes < 1 || c.NodeRank < 0 || c.NodeRank >= c.Nodes:
		return fmt.Errorf("cannot launch as node %d of %d: nodes count from 0", c.NodeRank, c.Nodes)
	case c.Nodes > 1 && (c.Addr == "" || c.Port == 0):
		return errors.New("cannot launch on several machines without the address and port of node 0: give --master-addr and --master-port")
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("cannot use port %d: give 1 to 65535", c.Port)
	case c.MaxRestarts < 0:
		return fmt.Errorf("cannot restart %d times: give 0 or more", c.MaxRestarts)
	}
	return nil
}

// Run starts the ranks and waits for their end. When one fails, the others get SIGTERM,
// and after the grace SIGKILL; Run starts all of them again while restarts are left, and
// otherwise returns an *ExitError. SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are
// handed on to the ranks, which decide what they do; a second SIGINT or SIGTERM kills
// them. When ctx ends, it is as if SIGTERM had come.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	host, addr, err := c.openStore()
	if err != nil {
		return err
	}
	if host != nil {
		defer host.Close()
	}
	// The death signal of the ranks is bound to the thread that starts them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, handedOn...)
	defer signal.Stop(signals)

	for attempt := 0; ; attempt++ {
		r := &run{Config: c, ctx: ctx, signals: signals}
		err := r.attempt(attempt)
		var failed *ExitError
		if err == nil || r.asked || attempt == c.MaxRestarts || !errors.As(err, &failed) {
			return errors.Join(err, c.leave(ctx, addr, err))
		}
		fmt.Fprintf(c.Stderr, "torchlit launch: %v; restart %d of %d\n", err, attempt+1, c.MaxRestarts)
	}
}

var handedOn = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

// openStore hosts the store on node 0, and returns its address for the ranks.
func (c *Config) openStore() (*store.Server, string, error) {
	if c.Nodes == 1 && c.Addr == "" {
		c.Addr = "127.0.0.1"
	}
	addr := net.JoinHostPort(c.Addr, strconv.Itoa(c.Port))
	if c.NodeRank != 0 {
		return nil, addr, nil
	}
	host, err := store.Host(addr)
	if err != nil {
		return nil, "", err
	}
	c.Port = host.Addr().Port
	return host, net.JoinHostPort(c.Addr, strconv.Itoa(c.Port)), nil
}

// leaveTimeout is how long node 0 keeps the store for nodes whose ranks still run.
const leaveTimeout = 5 * time.Minute

// leave keeps node 0, and the store with it, until the other nodes are done, too. After
// a failure nobody waits.
func (c *Config) leave(ctx context.Context, addr string, failure error) error {
	if c.Nodes == 1 || failure != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	client, err := store.Dial(ctx, addr)
	if err != nil {
		return nil // node 0 has ended, so it is done
	}
	defer client.Close()
	key := func(node int) string { return "launch/done/" + strconv.Itoa(node) }
	if err := client.Set(ctx, key(c.NodeRank), nil); err != nil || c.NodeRank != 0 {
		return nil
	}
	var keys []string
	for node := range c.Nodes {
		keys = append(keys, key(node))
	}
	if err := client.Wait(ctx, keys...); err != nil {
		return fmt.Errorf("cannot wait for the launchers of the other machines: %w", err)
	}
	return nil
}

// environment is what torchrun sets.
func (c *Config) environment(local, attempt int) []string {
	env := append(os.Environ(),
		"RANK="+strconv.Itoa(c.NodeRank*c.NProc+local),
		"WORLD_SIZE="+strconv.Itoa(c.Nodes*c.NProc),
		"LOCAL_RANK="+strconv.Itoa(local),
		"LOCAL_WORLD_SIZE="+strconv.Itoa(c.NProc),
		"GROUP_RANK="+strconv.Itoa(c.NodeRank),
		"MASTER_ADDR="+c.Addr,
		"MASTER_PORT="+strconv.Itoa(c.Port),
		"TORCHELASTIC_USE_AGENT_STORE=True",
		"TORCHELASTIC_RESTART_COUNT="+strconv.Itoa(attempt),
		"TORCHELASTIC_MAX_RESTARTS="+strconv.Itoa(c.MaxRestarts),
	)
	if os.Getenv("OMP_NUM_THREADS") == "" {
		// Each rank would start a thread a CPU, and they would fight.
		env = append(env, "OMP_NUM_THREADS="+strconv.Itoa(max(1, runtime.NumCPU()/c.NProc)))
	}
	return env
}

func (c *Config) command(local, attempt int) *exec.Cmd {
	cmd := exec.Command(c.Command[0], c.Command[1:]...)
	cmd.Env = c.environment(local, attempt)
	cmd.SysProcAttr = process.OwnGroup()
	return cmd
}
