package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// run is one attempt: the ranks from their start to their end.
type run struct {
	Config
	ctx     context.Context
	signals <-chan os.Signal
	ranks   []*rank
	asked   bool // to end, from outside
	asks    int  // signals that asked for it
}

// rank is a process.
type rank struct {
	number int
	cmd    *exec.Cmd
	ended  bool
}

// ending is that of a process.
type ending struct {
	rank *rank
	err  error
}

// attempt starts all ranks and waits for all of them.
func (r *run) attempt(attempt int) error {
	out := newOutput(r.Stdout, r.Stderr, r.Nodes*r.NProc)
	defer out.wait()
	endings := make(chan ending, r.NProc)
	for local := range r.NProc {
		k := &rank{number: r.NodeRank*r.NProc + local, cmd: r.command(local, attempt)}
		err := out.attach(k)
		if err == nil {
			err = k.cmd.Start()
		}
		out.detach(k) // the rank has the pipes now
		if err != nil {
			r.signal(syscall.SIGKILL)
			for range r.ranks {
				<-endings
			}
			return fmt.Errorf("cannot start rank %d: %w", k.number, err)
		}
		r.ranks = append(r.ranks, k)
		go func() { endings <- ending{k, k.cmd.Wait()} }()
	}
	return r.watch(endings)
}

// watch hands signals on until all ranks have ended, and returns the first failure.
func (r *run) watch(endings <-chan ending) error {
	var first error
	var grace <-chan time.Time
	done := r.ctx.Done()
	end := func(s syscall.Signal) {
		r.signal(s)
		if grace == nil {
			grace = time.After(r.Grace)
		}
	}
	for left := len(r.ranks); left > 0; {
		select {
		case e := <-endings:
			left--
			e.rank.ended = true
			if e.err != nil && first == nil {
				first = failure(e)
				end(syscall.SIGTERM)
			}
		case s := <-r.signals:
			r.handOn(s.(syscall.Signal), end)
		case <-done:
			done = nil
			if !r.asked { // as a rule a signal ended ctx, too
				r.asked = true
				end(syscall.SIGTERM)
			}
		case <-grace:
			grace = nil
			r.signal(syscall.SIGKILL)
		}
	}
	return first
}

// handOn handles a signal. Those that end a process begin the end, once; the next one
// has lost patience.
func (r *run) handOn(s syscall.Signal, end func(syscall.Signal)) {
	if s != syscall.SIGINT && s != syscall.SIGTERM {
		r.signal(s)
		return
	}
	r.asks++
	switch {
	case r.asks > 1:
		r.signal(syscall.SIGKILL)
	case !r.asked:
		r.asked = true
		end(s)
	}
}

// signal sends a signal to the ranks that run; SIGKILL to their children, too.
func (r *run) signal(s syscall.Signal) {
	for _, k := range r.ranks {
		pid := k.cmd.Process.Pid
		if k.ended {
			continue
		}
		if s == syscall.SIGKILL {
			pid = -pid // its process group
		}
		syscall.Kill(pid, s) // fails if it has ended meanwhile
	}
}

func failure(e ending) error {
	code := 1
	var exit *exec.ExitError
	if errors.As(e.err, &exit) {
		code = exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = 128 + int(status.Signal())
		}
	}
	return &ExitError{Rank: e.rank.number, Code: code, Err: e.err}
}
