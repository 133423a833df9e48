package batching

import (
	"errors"
	"slices"
	"sync"
	"time"
)

var errNoMore = errors.New("no runner can be made any more")

// modelRun is one call of Runner.Run. What it answers says which run it was and for which item.
type modelRun struct {
	runner int
	items  []int
	at     time.Time
	took   time.Duration
	failed bool
}

func answerOf(run, item int) int { return run*items + item }

// cost is how long a batch of n runs, where nothing disturbs it.
func (m *model) cost(n int) time.Duration {
	for _, b := range m.cfg.Buckets {
		if n <= b {
			n = min(b, m.cfg.MaxBatch)
			break
		}
	}
	return m.base + time.Duration(n)*m.slope
}

// duration is how long it does run. REQUIRES: m.mu is held.
func (m *model) duration(n int) time.Duration {
	d := m.cost(n)
	if m.noisy {
		d = d/2 + time.Duration(m.noise.Int64N(int64(d)))
		if m.noise.IntN(20) == 0 {
			d *= 8
		}
	}
	if since := time.Since(m.start); m.shifted > 0 && since > m.shifted && since < 3*m.shifted {
		d *= 5
	}
	return d
}

func (m *model) newRunner(i int) (Runner[int, int], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.start.IsZero() && m.noise.IntN(2) == 0 {
		return nil, errNoMore
	}
	m.open++
	r := &modelRunner{m: m, i: i}
	if m.gated {
		return &gatedRunner{r}, nil
	}
	return r, nil
}

func (m *model) release(item int) {
	m.mu.Lock()
	m.items[item].released++
	m.mu.Unlock()
}

type modelRunner struct {
	m       *model
	i       int
	running bool
	broke   bool
	closed  bool
}

func (r *modelRunner) Run(in, out []int) error {
	m := r.m
	m.mu.Lock()
	run, took := r.beginLocked(in, out)
	m.mu.Unlock()

	time.Sleep(took)

	m.mu.Lock()
	defer m.mu.Unlock()
	r.running = false
	m.runs[run].failed = true
	for i, item := range in {
		if m.breaks(item) {
			r.broke = true
		}
		if m.panics(item) {
			panic(item)
		}
		if m.poisoned(item) {
			return errPoison
		}
		out[i] = answerOf(run, item)
	}
	m.runs[run].failed = false
	return nil
}

// beginLocked notes a run and checks that it may be.
func (r *modelRunner) beginLocked(in, out []int) (run int, took time.Duration) {
	m := r.m
	now := time.Now()
	run, took = len(m.runs), m.duration(len(in))
	if r.running || r.closed || r.broke {
		m.violated("runner %d is used while it runs (%v), when it is closed (%v) or broken (%v)", r.i, r.running, r.closed, r.broke)
	}
	if len(in) < 1 || len(in) > m.cfg.MaxBatch || len(in) != len(out) {
		m.violated("%d items and %d answers in a run; MaxBatch is %d", len(in), len(out), m.cfg.MaxBatch)
	}
	if slices.ContainsFunc(out, func(v int) bool { return v != 0 }) {
		m.violated("the answers of an earlier run are left: %v", out)
	}
	r.running = true
	m.runs = append(m.runs, modelRun{runner: r.i, items: slices.Clone(in), at: now, took: took})
	for _, item := range in {
		it := &m.items[item]
		if it.runs++; it.runs == 1 {
			it.first = now
		}
		it.last = run
		if it.released > 0 {
			m.violated("item %d is run after it was released", item)
		}
		// Fake time stands still between the decision and the run, unless a gate is between them. What runs again, alone, is not asked.
		if it.runs > 1 || it.deadline.IsZero() || m.gated {
			continue
		}
		if m.exact() && now.Add(m.cost(len(in))).After(it.deadline) {
			m.violated("item %d was run with %d others, which it had no time for", item, len(in)-1)
		}
		if now.After(it.deadline) {
			m.violated("item %d was run after its deadline", item)
		}
	}
	return run, took
}

// Broken implements Breaker.
func (r *modelRunner) Broken() bool { return r.broke }

func (r *modelRunner) Close() {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.closed || r.running {
		r.m.violated("runner %d is closed twice (%v) or while it runs (%v)", r.i, r.closed, r.running)
	}
	r.closed = true
	r.m.open--
}

// gatedRunner is one of those of which a single one can run at a time.
type gatedRunner struct{ *modelRunner }

// Enter implements Gate.
func (r *gatedRunner) Enter() error {
	r.m.gate <- struct{}{}
	return nil
}

func (r *gatedRunner) Run(in, out []int) error {
	defer func() { <-r.m.gate }()
	return r.modelRunner.Run(in, out)
}

// modelTold counts what an observer is told.
type modelTold struct {
	dequeued, batches, rejected, isolated int
	deepest                               int // how many waited at once
}

func (c *modelTold) observer(mu *sync.Mutex) Observer {
	add := func(to *int, n int) {
		mu.Lock()
		*to += n
		mu.Unlock()
	}
	return Observer{
		Enqueued: func(depth int) {
			mu.Lock()
			c.deepest = max(c.deepest, depth)
			mu.Unlock()
		},
		Dequeued: func(n, _ int) { add(&c.dequeued, n) },
		BatchDone: func(b Batch) {
			add(&c.batches, 1)
			if b.Reason == ReasonIsolate {
				add(&c.isolated, 1)
			}
		},
		Rejected: func(Rejection) { add(&c.rejected, 1) },
	}
}
