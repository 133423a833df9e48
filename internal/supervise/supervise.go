// Package supervise keeps one worker process running behind listening sockets that outlive it.
//
// # Why
//
// The engine is C++: a fault there ends the process, and no recover helps. A container's restart helps, but it closes the port: who
// connects meanwhile is refused. Here the parent holds the sockets and does nothing else, so there is little in it that can fail.
//
// # Invariants
//
//   - The sockets stay open from the start until the supervisor is told to stop. Connections that nobody accepts wait in the backlog.
//   - From the moment of being told to stop it holds none: else the kernel would queue connections that no worker will take, and reset
//     them at the end.
//   - A worker that replaces another accepts nothing before it is ready, and the other is told to go only then. One that replaces a
//     dead one accepts at once, and says itself that it is loading: nobody else can.
//   - A worker that cannot be replaced stays: a failed replacement changes nothing.
//   - Every worker is a child whose end is waited for, also those that drain. Run returns when there is none.
//   - No worker outlives its supervisor: it is signalled when that dies (launch says how).
//   - All state belongs to the goroutine of Run. Workers, timers and signals come to it as messages.
//
// The obvious way to tell that a worker is ready is to ask its /readyz. But with two workers on one socket the kernel chooses who
// answers. So each has a pipe of its own, on which it says what sd_notify would say.
package supervise

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/torchlit/torchlit/internal/sockets"
)

// Config says what to run.
type Config struct {
	Path    string   // of the program
	Args    []string // without its name
	Sockets *sockets.Set
	Signals <-chan os.Signal // SIGTERM and SIGINT stop, SIGUSR2 replaces the worker, others are passed on

	ReadyTimeout time.Duration // for a replacement to become ready
	Watchdog     time.Duration // how often a worker gives a sign of life; 0 for never
	FirstDelay   time.Duration // before the second restart in a row; each further one doubles it. Default 500 ms
	MaxDelay     time.Duration // default 30 s
	MaxFailures  int           // give up after so many workers in a row that never became ready. Default 3
	Settled      time.Duration // a worker that was ready for so long was no failure. Default 1 minute

	Notify func(state string) // tells systemd; may be nil
	Logger *zap.Logger
}

// GaveUp is Run's error when no worker becomes ready.
type GaveUp struct {
	Code int // of the last worker
	text string
}

func (e *GaveUp) Error() string { return e.text }

type supervisor struct {
	cfg      Config
	log      *zap.Logger
	files    []*os.File
	events   chan event
	readers  sync.WaitGroup
	alive    map[*worker]struct{}
	current  *worker // that has the service; nil between two
	next     *worker // that will replace it
	stopping bool
	stopped  int // exit code of the worker that was told to stop

	restarts int // since the start
	inARow   int // since a worker settled
	failures int // workers in a row that never became ready

	restart     *time.Timer // stopped unless current is nil
	replaceTime *time.Timer
}

// Run starts a worker and keeps one running until SIGTERM or SIGINT, and returns when all have ended: nil when the last one, told
// to stop, ended well. It owns the sockets and closes them.
func Run(cfg Config) error {
	s, err := newSupervisor(cfg)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.begin(); err != nil {
		return err
	}
	var watchdog <-chan time.Time
	if s.cfg.Watchdog > 0 {
		t := time.NewTicker(s.cfg.Watchdog / 2)
		defer t.Stop()
		watchdog = t.C
	}
	for !s.stopping || len(s.alive) > 0 {
		var err error
		select {
		case e := <-s.events:
			err = s.happened(e)
		case sig := <-s.cfg.Signals:
			err = s.signalled(sig)
		case <-s.restart.C:
			err = s.begin()
		case <-s.replaceTime.C:
			s.abandonReplacement()
		case <-watchdog:
			s.signOfLife()
		}
		if err != nil {
			return err
		}
	}
	if s.stopped != 0 {
		return &GaveUp{s.stopped, fmt.Sprintf("cannot stop in order: the worker ended with exit code %d; its own lines say why", s.stopped)}
	}
	return nil
}

func newSupervisor(cfg Config) (*supervisor, error) {
	if cfg.FirstDelay == 0 {
		cfg.FirstDelay = 500 * time.Millisecond
	}
	if cfg.MaxDelay == 0 {
		cfg.MaxDelay = 30 * time.Second
	}
	if cfg.MaxFailures == 0 {
		cfg.MaxFailures = 3
	}
	if cfg.Settled == 0 {
		cfg.Settled = time.Minute
	}
	if cfg.Notify == nil {
		cfg.Notify = func(string) {}
	}
	files, err := cfg.Sockets.Files()
	if err != nil {
		cfg.Sockets.Close()
		return nil, err
	}
	cfg.Sockets.Close() // the duplicates keep them open
	s := &supervisor{
		cfg: cfg, log: cfg.Logger, files: files, events: make(chan event, 16), alive: map[*worker]struct{}{},
		restart: time.NewTimer(time.Hour), replaceTime: time.NewTimer(time.Hour),
	}
	s.restart.Stop()
	s.replaceTime.Stop()
	return s, nil
}

// close ends what is left after an error.
func (s *supervisor) close() {
	s.closeSockets()
	for w := range s.alive {
		w.signal(syscall.SIGKILL)
	}
	go func() {
		s.readers.Wait()
		close(s.events)
	}()
	for range s.events { // so that no reader waits for us
	}
}

func (s *supervisor) closeSockets() {
	for _, f := range s.files {
		_ = f.Close()
	}
	s.files = nil
}

// begin starts a worker in the place of none.
func (s *supervisor) begin() error {
	w, err := s.start(false)
	if err != nil {
		return err
	}
	s.current, s.alive[w] = w, struct{}{}
	s.log.Info("worker started", zap.Int("worker", w.pid), zap.Int("restarts", s.restarts))
	return nil
}

// happened deals with what a worker said or how it ended.
func (s *supervisor) happened(e event) error {
	w := e.of
	if _, ok := s.alive[w]; !ok {
		return nil // its last words, read after its end
	}
	switch {
	case e.what == "":
		return s.ended(w)
	case e.what == "READY=1" && !w.ready:
		w.ready, w.since, w.pinged = true, time.Now(), time.Now()
		s.becameReady(w)
	case e.what == "WATCHDOG=1":
		w.pinged = time.Now()
	}
	return nil
}

func (s *supervisor) becameReady(w *worker) {
	s.failures = 0
	if w == s.next {
		s.replaceTime.Stop()
		old := s.current
		s.current, s.next = w, nil
		if old != nil {
			s.log.Info("worker replaced; the old one finishes what it accepted", zap.Int("worker", w.pid), zap.Int("old", old.pid))
			old.signal(SignalReplaced)
		}
	}
	if s.stopping {
		return
	}
	s.log.Info("worker ready", zap.Int("worker", w.pid))
	s.cfg.Notify("READY=1\nSTATUS=worker " + fmt.Sprint(w.pid) + " serves")
}

// ended takes note of a worker's end, and plans another where it had the service.
func (s *supervisor) ended(w *worker) error {
	delete(s.alive, w)
	switch {
	case s.stopping:
		if w.ready || !stoppedBySignal(w.state) { // else it had not come so far as to accept anything
			s.stopped = max(s.stopped, exitCode(w.state))
		}
		return nil
	case w == s.next:
		s.next = nil
		s.replaceTime.Stop()
		s.log.Error("cannot replace the worker: the other one ended before it was ready; the old one stays",
			zap.Int("worker", w.pid), zap.String("ended", died(w.state)))
		s.cfg.Notify("READY=1\nSTATUS=the last replacement of the worker failed")
		if s.current == nil { // it died meanwhile, and this one was to follow it
			return s.planRestart(w)
		}
		return nil
	case w != s.current:
		s.log.Info("replaced worker ended", zap.Int("worker", w.pid), zap.String("ended", died(w.state)))
		return nil
	}
	s.current = nil
	if s.next != nil {
		s.restarts++
		s.log.Error("worker died; connections wait for the one that was to replace it", zap.Int("worker", w.pid), zap.String("ended", died(w.state)))
		return nil
	}
	return s.planRestart(w)
}

func (s *supervisor) planRestart(w *worker) error {
	if !w.ready {
		if s.failures++; s.failures >= s.cfg.MaxFailures {
			return &GaveUp{exitCode(w.state), fmt.Sprintf("cannot keep a worker running: %d in a row ended before they were ready, the last with %s; "+
				"its own lines say why", s.failures, died(w.state))}
		}
	} else if time.Since(w.since) >= s.cfg.Settled {
		s.inARow = 0
	}
	delay := time.Duration(0)
	if s.inARow > 0 {
		delay = min(s.cfg.MaxDelay, s.cfg.FirstDelay<<min(s.inARow-1, 20))
	}
	s.inARow++
	s.restarts++
	s.log.Error("worker died; connections wait for the next one", zap.Int("worker", w.pid), zap.String("ended", died(w.state)),
		zap.Bool("was_ready", w.ready), zap.Duration("restart_in", delay), zap.Int("restarts", s.restarts))
	s.cfg.Notify(fmt.Sprintf("STATUS=worker died (%s), restart %d", died(w.state), s.restarts))
	s.restart.Reset(delay)
	return nil
}

func (s *supervisor) signalled(sig os.Signal) error {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT:
		s.stop(sig)
	case syscall.SIGUSR2:
		return s.replace()
	default:
		s.current.signal(sig)
		s.next.signal(sig)
	}
	return nil
}

// stop lets go of the sockets and passes the signal on; a second one, which hastens, likewise.
func (s *supervisor) stop(sig os.Signal) {
	if !s.stopping {
		s.stopping = true
		s.cfg.Notify("STOPPING=1\nSTATUS=finishing what was accepted")
		s.closeSockets()
		s.restart.Stop()
		s.replaceTime.Stop()
	}
	for w := range s.alive {
		w.signal(sig)
	}
}

// replace starts a worker that shall take the place of the current one.
func (s *supervisor) replace() error {
	if s.stopping || s.current == nil || s.next != nil {
		s.log.Warn("not replacing the worker: one is being started or stopped already")
		return nil
	}
	w, err := s.start(true)
	if err != nil {
		s.log.Error("cannot replace the worker; the old one stays", zap.Error(err))
		return nil
	}
	s.next, s.alive[w] = w, struct{}{}
	s.replaceTime.Reset(s.cfg.ReadyTimeout)
	s.cfg.Notify("RELOADING=1\n" + monotonic() + "\nSTATUS=starting another worker")
	s.log.Info("replacing the worker", zap.Int("worker", w.pid), zap.Int("old", s.current.pid))
	return nil
}

// abandonReplacement ends a replacement that does not become ready.
func (s *supervisor) abandonReplacement() {
	if s.next == nil {
		return
	}
	s.log.Error("cannot replace the worker: the other one is not ready in time; it is ended", zap.Int("worker", s.next.pid),
		zap.Duration("ready_timeout", s.cfg.ReadyTimeout))
	s.next.signal(syscall.SIGKILL) // it has accepted nothing
}

// signOfLife tells systemd's watchdog that the service lives: the worker has said so lately, or there is none to say it yet.
func (s *supervisor) signOfLife() {
	if w := s.current; w == nil || !w.ready || s.stopping || time.Since(w.pinged) < s.cfg.Watchdog {
		s.cfg.Notify("WATCHDOG=1")
	}
}

// stoppedBySignal reports whether a signal to stop ended the process, which had no handler yet.
func stoppedBySignal(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGTERM || status.Signal() == syscall.SIGINT)
}

// exitCode is the process's, or the shell's code for a signal.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// AsGaveUp finds a GaveUp in err.
func AsGaveUp(err error) (*GaveUp, bool) {
	var g *GaveUp
	return g, errors.As(err, &g)
}
