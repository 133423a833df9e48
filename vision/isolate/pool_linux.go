package isolate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/torchlit/torchlit/vision"
)

// Pool hands images to workers and replaces those that end. Its methods may be called by many goroutines at once.
type Pool struct {
	cfg    Config
	starts chan startRequest
	stop   chan struct{}  // closed by Close
	keeps  sync.WaitGroup // of keep
	wg     sync.WaitGroup // of all else, Reads included

	mu      sync.Mutex
	idle    []*worker        // the one used last is taken first: its memory is warm
	waiting []chan *worker   // in the order of coming; each gets a worker, or nil when there is none to wait for
	alive   map[*worker]bool // those that are ready
	resting int              // places whose worker may not be started yet
	closed  bool
}

// Open starts the workers, and returns when all of them are ready.
func Open(cfg Config) (*Pool, error) {
	if len(cfg.Command) == 0 || cfg.Workers <= 0 || cfg.MaxBytes <= 0 || cfg.MaxPixels <= 0 || cfg.Memory <= 0 || cfg.Timeout <= 0 {
		panic(fmt.Sprintf("BUG: isolate: %+v", cfg))
	}
	if cfg.maxRest == 0 {
		cfg.maxRest = maxRest
	}
	if cfg.Ended == nil {
		cfg.Ended = func(End) {}
	}
	p := &Pool{cfg: cfg, starts: make(chan startRequest), stop: make(chan struct{}), alive: map[*worker]bool{}}
	p.wg.Go(p.startAll)
	first := make(chan error, cfg.Workers)
	for range cfg.Workers {
		p.keeps.Go(func() { p.keep(first) })
	}
	for range cfg.Workers {
		if err := <-first; err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// Says is what a worker says of itself: its decoder of JPEG, and what it is locked in by.
func (p *Pool) Says() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.alive {
		return w.says
	}
	return ""
}

// Alive is how many workers are ready or at work.
func (p *Pool) Alive() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.alive)
}

// Close ends all workers and returns when they are gone. Reads that are under way fail with ErrClosed.
func (p *Pool) Close() {
	p.mu.Lock()
	already := p.closed
	p.closed = true
	if !already {
		close(p.stop)
		p.sendAwayLocked()
		for w := range p.alive {
			w.kill("")
		}
	}
	p.mu.Unlock()
	p.keeps.Wait()
	if !already {
		close(p.starts)
	}
	p.wg.Wait()
}

// take waits for a worker, which put must follow.
func (p *Pool) take(ctx context.Context) (*worker, error) {
	for {
		w, err := p.next(ctx)
		if err != nil {
			return nil, err
		}
		w.using.Lock()
		if w.shared != nil {
			return w, nil
		}
		w.using.Unlock() // it died between the two
	}
}

func (p *Pool) next(ctx context.Context) (*worker, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return w, nil
	}
	if err := p.unavailableLocked(); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	mine := make(chan *worker, 1)
	p.waiting = append(p.waiting, mine)
	p.mu.Unlock()
	select {
	case w := <-mine:
		if w == nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			return nil, cmp.Or(p.unavailableLocked(), ErrUnavailable)
		}
		return w, nil
	case <-ctx.Done():
		p.leave(mine)
		return nil, context.Cause(ctx)
	}
}

// leave ends a wait. A worker that came in the same instant goes to the next one.
func (p *Pool) leave(mine chan *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, mine); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return
	}
	if w := <-mine; w != nil {
		p.offerLocked(w)
	}
}

// unavailableLocked is why nobody should wait for a worker.
func (p *Pool) unavailableLocked() error {
	switch {
	case p.closed:
		return ErrClosed
	case p.resting == p.cfg.Workers:
		return ErrUnavailable
	}
	return nil
}

// put gives a worker back.
func (p *Pool) put(w *worker) {
	w.using.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offerLocked(w)
}

// offerLocked gives a worker, if it is alive, to who has waited longest.
func (p *Pool) offerLocked(w *worker) {
	if !p.alive[w] || w.unfit.Load() {
		return
	}
	if len(p.waiting) == 0 {
		p.idle = append(p.idle, w)
		return
	}
	p.waiting[0] <- w
	p.waiting = slices.Delete(p.waiting, 0, 1)
}

// sendAwayLocked tells all who wait that there is nothing to wait for.
func (p *Pool) sendAwayLocked() {
	for _, waiting := range p.waiting {
		waiting <- nil
	}
	p.waiting = nil
}

// Read is vision.Preprocess.Read with the decoding done by a worker: the same pixels and the same errors, and of its own those that wrap
// ErrCrashed, ErrStuck, ErrUnavailable or ErrClosed. When ctx ends while a worker is waited for, or its deadline comes while one decodes,
// the error is the context's; the worker then finishes on its own. data and dst are not used after the return.
func (p *Pool) Read(ctx context.Context, pre *vision.Preprocess, data []byte, lim vision.Limits, resize vision.Resizer, dst []byte) error {
	if len(data) > p.cfg.MaxBytes {
		return &refusal{vision.ErrTooLarge, fmt.Sprintf("cannot decode the image: it has %d bytes, and the limit is %d", len(data), p.cfg.MaxBytes)}
	}
	if !p.enter() {
		return ErrClosed
	}
	defer p.wg.Done()
	for {
		err := p.readOnce(ctx, pre, data, lim, resize, dst)
		if !errors.Is(err, errUndelivered) {
			return err
		}
	}
}

// enter counts a Read, unless the pool is closed.
func (p *Pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.wg.Add(1)
	}
	return !p.closed
}

func (p *Pool) readOnce(ctx context.Context, pre *vision.Preprocess, data []byte, lim vision.Limits, resize vision.Resizer, dst []byte) error {
	w, err := p.take(ctx)
	if err != nil {
		return err
	}
	x := exchange{pool: p, w: w, lim: lim}
	a, err := x.decode(ctx, pre, data)
	if errors.Is(err, errAbandoned) {
		return context.DeadlineExceeded
	}
	defer x.end()
	if err != nil {
		return err
	}
	img := &vision.Image{Width: a.columns, Height: a.rows}
	n := 3 * a.columns * a.rows
	img.Pix = w.pixels[:n:n] // never released: it is no memory of vision's
	img.SetExtent(float64(a.width)/float64(a.scale), float64(a.height)/float64(a.scale))
	return pre.Finish(img, a.width, a.height, resize, dst)
}
