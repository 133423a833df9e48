// Package supervise keeps the worker process of a server alive, and replaces it without a refused connection.
//
// A crash in native code ends a process, whatever its handlers recover from. So a small process that runs no model, the supervisor,
// starts the one that serves, and another when that has died. What it keeps to:
//
//   - The listening sockets are opened once, by the supervisor, and outlive every worker. Whoever connects while none is there
//     waits in the kernel's queue, not before a closed door. Two workers may accept from the same socket, so that the one is replaced while it serves.
//   - A worker takes over when it says that it is ready (Ready), and accepts nobody before (TakesOver). One that does not become ready changes
//     nothing. One that follows a dead one accepts at once, and says itself that it is not ready.
//   - A worker that has never been ready is not started again when it was the first: its complaint is about how it was called. One that dies after
//     it was ready is started again at once, and after a growing pause if that goes on; maxFailures deaths in a row before it is ready end the supervisor, with the
//     worker's exit code.
//   - No worker outlives its supervisor: the kernel tells it to stop when the supervisor is gone, even killed (on Linux).
//
// Signals: SIGTERM and SIGINT are passed on, each one, so that a second hastens the worker; SIGHUP is passed on; SIGUSR2 replaces the worker.
// A worker is in a process group of its own, or Ctrl-C would reach it twice.
package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Config says what to run.
type Config struct {
	Command []string // of a worker, its program first
	Sockets []Socket // handed to it

	// ReadyTimeout is how long a replacement may take to become ready. Default 5 min.
	ReadyTimeout time.Duration

	// Ready is called when a worker is ready, and Stopping at the first signal to stop. nil for none.
	Ready, Stopping func()

	Log *zap.Logger
}

// Socket is a listening socket and the name that a worker finds it by.
type Socket struct {
	Name string
	File *os.File
}

const (
	maxFailures = 5
	firstPause  = 100 * time.Millisecond
	longestRest = 10 * time.Second

	// goodLife is how long a worker lives before its death is no longer a consequence of the one before.
	goodLife = 10 * time.Second
)

// supervisor is Run's state; one goroutine has it.
type supervisor struct {
	Config
	serving  *worker   // nil while none runs
	next     *worker   // to replace it, nil for none
	leaving  []*worker // told to stop
	events   chan event
	late     <-chan time.Time // next must be ready by then
	restart  <-chan time.Time // when to start another
	restarts int              // workers started beyond the first
	failures int              // deaths in a row
	was      bool             // a worker has been ready
	stopping bool
	code     int // of the last worker that was serving
}

// Run supervises until the workers have stopped after a signal, or there is no use in going on. It returns the exit code of the last worker,
// 128 and more for one that a signal ended. It may be called once in a process.
func Run(cfg Config) (code int, err error) {
	// The kernel sends a worker its signal when the thread that started it ends, so that must not be one that comes and goes.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if cfg.ReadyTimeout == 0 {
		cfg.ReadyTimeout = 5 * time.Minute
	}
	s := &supervisor{Config: cfg, events: make(chan event)}
	if s.serving, err = s.start(false); err != nil {
		return 1, err
	}
	for s.serving != nil || s.next != nil || len(s.leaving) > 0 || s.restart != nil {
		select {
		case sig := <-signals:
			s.signal(sig)
		case e := <-s.events:
			if err := s.handle(e); err != nil {
				return s.code, err
			}
		case <-s.late:
			s.late = nil
			s.Log.Error("the worker that was to take over is not ready in time; the one that serves goes on", zap.Duration("allowed", s.ReadyTimeout))
			_ = s.next.kill()
		case <-s.restart:
			s.restart = nil
			s.restarts++
			if s.serving, err = s.start(false); err != nil {
				return 1, err
			}
		}
	}
	return s.code, nil
}

// signal does what a signal asks for.
func (s *supervisor) signal(sig os.Signal) {
	if sig == syscall.SIGUSR2 {
		s.replace()
		return
	}
	if sig != syscall.SIGHUP && !s.stopping {
		s.stopping = true
		s.restart = nil
		if s.Stopping != nil {
			s.Stopping()
		}
	}
	for _, w := range append(slices.Clone(s.leaving), s.serving, s.next) {
		if w != nil {
			_ = w.signal(sig)
		}
	}
}

// replace starts the worker that is to take over.
func (s *supervisor) replace() {
	switch {
	case s.stopping:
		return
	case s.next != nil || s.serving == nil:
		s.Log.Warn("a worker is being started already")
		return
	}
	s.restarts++
	w, err := s.start(true)
	if err != nil {
		s.Log.Error("the worker is not replaced", zap.Error(err))
		return
	}
	s.next, s.late = w, time.After(s.ReadyTimeout)
	s.Log.Info("another worker is starting, to take over", zap.Int("pid", w.pid()))
}

// handle takes in what became of a worker. An error ends the supervisor.
func (s *supervisor) handle(e event) error {
	switch {
	case e.ready:
		s.ready(e.worker)
		return nil
	case e.worker == s.next:
		s.next, s.late = nil, nil
		s.Log.Error("the worker that was to take over has ended before it was ready; the one that serves goes on", zap.String("how", e.how))
		return nil
	case e.worker != s.serving:
		s.leaving = slices.DeleteFunc(s.leaving, func(w *worker) bool { return w == e.worker })
		s.Log.Info("the worker that was replaced has stopped", zap.String("how", e.how))
		return nil
	}
	s.serving, s.code = nil, e.code
	if s.stopping {
		return nil
	}
	return s.died(e)
}

// ready notes that w serves, and lets the one before go.
func (s *supervisor) ready(w *worker) {
	w.readyAt = time.Now()
	s.was = true
	if w == s.next {
		if s.serving != nil {
			_ = s.serving.signal(syscall.SIGTERM)
			s.leaving = append(s.leaving, s.serving)
		}
		s.serving, s.next, s.late, s.restart = w, nil, nil, nil
		s.Log.Info("another worker has taken over", zap.Int("pid", w.pid()))
	}
	if s.Ready != nil {
		s.Ready()
	}
}

// died decides what follows the death of the worker that served.
func (s *supervisor) died(e event) error {
	if !e.worker.readyAt.IsZero() && time.Since(e.worker.readyAt) > goodLife {
		s.failures = 0
	}
	s.failures++
	switch {
	case !s.was:
		return &ExitError{Code: e.code}
	case e.worker.readyAt.IsZero() && s.failures >= maxFailures:
		return &ExitError{Code: e.code, text: fmt.Sprintf("cannot keep a worker alive: %d in a row have ended before they were ready, the last by %s; its own messages say why", s.failures, e.how)}
	}
	pause := time.Duration(0)
	if s.failures > 1 {
		pause = min(longestRest, firstPause<<min(s.failures-2, 20))
	}
	s.restart = time.After(pause)
	s.Log.Error("the worker has died; another is started", zap.String("how", e.how), zap.Duration("pause", pause), zap.Int("restarts", s.restarts+1))
	return nil
}

// ExitError is the end of a worker that is not started again.
type ExitError struct {
	Code int
	text string // "" when the worker has said it all
}

func (e *ExitError) Error() string { return e.text }

// Silent reports whether the worker has said what there is to say.
func Silent(err error) bool {
	e, ok := errors.AsType[*ExitError](err)
	return ok && e.text == ""
}
