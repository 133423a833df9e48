package isolate

import (
	"runtime"
	"slices"
	"time"
)

// startRequest asks startAll for a worker.
type startRequest struct{ done chan<- started }

type started struct {
	w   *worker
	err error
}

// startAll starts the workers of the pool's life, all from the one thread that it keeps: they end with it, as they must when the
// process dies. It ends after all of them.
func (p *Pool) startAll() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for r := range p.starts {
		w, err := start(&p.cfg)
		r.done <- started{w, err}
	}
}

// keep sees to it that there is a worker, until Close. It tells first how the first start went.
//
// A worker that ends is replaced at once, unless the one before it ended a short time ago, too. Then it is either a flaw that every worker meets, or
// someone who sends picture after picture that crashes the decoder; each start costs a processor some tens of milliseconds, so the rests grow.
func (p *Pool) keep(first chan<- error) {
	var rest time.Duration
	for {
		w, err := p.begin()
		if first != nil {
			first <- err
			first = nil
		}
		began := time.Now()
		end := End{Reason: NoStart}
		if err != nil {
			end.Detail = err.Error()
		} else {
			<-w.dead
			p.forget(w)
			w.free()
			end = w.end
		}
		if p.over() {
			return
		}
		rest = nextRest(rest, time.Since(began), err != nil, p.cfg.maxRest)
		if rest >= minRest {
			end.Rest = rest
		}
		p.cfg.Ended(end)
		if !p.rest(rest) {
			return
		}
	}
}

const (
	minRest = 50 * time.Millisecond
	maxRest = time.Second

	// calm is how long a worker lives at least of whose end no pattern is made.
	calm = 10 * time.Second
)

// nextRest is how long nobody is started in place of a worker that lived so long: not at all after the first one, then twice as long each time.
func nextRest(last, lived time.Duration, failed bool, most time.Duration) time.Duration {
	switch {
	case lived >= calm:
		return 0
	case last == 0 && !failed:
		return 1 // the next one will have to wait
	}
	return min(max(2*last, minRest), most)
}

// begin starts a worker and offers it to those who wait.
func (p *Pool) begin() (*worker, error) {
	done := make(chan started, 1)
	select {
	case p.starts <- startRequest{done}:
	case <-p.stop:
		return nil, ErrClosed
	}
	s := <-done
	if s.err != nil {
		return nil, s.err
	}
	if err := p.admit(s.w); err != nil {
		s.w.free()
		return nil, err
	}
	return s.w, nil
}

func (p *Pool) admit(w *worker) error {
	quit := make(chan struct{})
	defer close(quit)
	go func() { // Close does not wait for a start
		select {
		case <-p.stop:
			w.kill("")
		case <-quit:
		}
	}()
	if err := w.awaitReady(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		w.kill("")
		<-w.dead
		return ErrClosed
	}
	p.alive[w] = true
	p.offerLocked(w)
	return nil
}

// forget takes a dead worker out of the pool.
func (p *Pool) forget(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.alive, w)
	if i := slices.Index(p.idle, w); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
}

// rest waits, and tells those who wait for a worker if all places rest. It returns false when the pool is closed.
func (p *Pool) rest(d time.Duration) bool {
	if d < minRest {
		return true
	}
	p.mu.Lock()
	p.resting++
	if p.resting == p.cfg.Workers {
		p.sendAwayLocked()
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.resting--
		p.mu.Unlock()
	}()
	select {
	case <-time.After(d):
		return true
	case <-p.stop:
		return false
	}
}

func (p *Pool) over() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}
