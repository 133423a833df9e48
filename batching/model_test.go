package batching

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestModel throws random loads of both priorities at batchers of random shapes and checks the invariants of the package comment:
// one answer and one release an item, batches within their limits, equals in order, Low after Normal, no run of an item that was
// dead before, no failure of an innocent, and nothing lost by a drain. Every load follows from its seed alone, but for the order of what happens at the
// same instant.
func TestModel(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newModel(seed).run(t) })
		})
	}
}

// model is one load, and the runners that it is run by.
type model struct {
	rnd      *rand.Rand
	cfg      Config[int, int]
	slope    time.Duration // run time an item, on top of base
	base     time.Duration
	patience time.Duration // how long the last drain waits

	mu       sync.Mutex
	deadline map[int]time.Time // of the items that have one
	low      map[int]bool      // of Low priority
	came     map[int]time.Time
	runs     []modelRun
	released map[int]int
	broken   []string // invariants
	live     int      // runners not closed
}

type modelRun struct {
	runner int
	items  []int
	at     time.Time
}

// What becomes of an item is in its number.
func poisoned(item int) bool { return item%17 == 3 }
func panics(item int) bool   { return item%34 == 3 }

func newModel(seed uint64) *model {
	rnd := rand.New(rand.NewPCG(seed, 0))
	m := &model{
		rnd:      rnd,
		base:     time.Duration(1 + rnd.IntN(20)),
		slope:    time.Duration(rnd.IntN(10)),
		patience: time.Duration(rnd.IntN(2000)),
		deadline: make(map[int]time.Time),
		low:      make(map[int]bool),
		came:     make(map[int]time.Time),
		released: make(map[int]int),
	}
	m.base *= time.Millisecond
	m.slope *= time.Millisecond
	m.patience *= time.Millisecond
	m.cfg = Config[int, int]{
		NewRunner: func(i int) (Runner[int, int], error) {
			m.live++
			return &modelRunner{m, i}, nil
		},
		Runners:  1 + rnd.IntN(3),
		MaxBatch: 1 + rnd.IntN(8),
		MaxQueue: 1 + rnd.IntN(30),
		Release: func(item int) {
			m.mu.Lock()
			m.released[item]++
			m.mu.Unlock()
		},
	}
	if rnd.IntN(2) == 0 {
		m.cfg.Cost = m.cost
	}
	if rnd.IntN(4) == 0 {
		m.cfg.LatencyTarget = time.Duration(1+rnd.IntN(200)) * time.Millisecond
	}
	if rnd.IntN(4) == 0 {
		m.cfg.Buckets = []int{1, 2, 4, 8}
	}
	return m
}

func (m *model) cost(n int) time.Duration {
	for _, b := range m.cfg.Buckets {
		if n <= b {
			n = min(b, m.cfg.MaxBatch)
			break
		}
	}
	return m.base + time.Duration(n)*m.slope
}

// violated notes a broken invariant. REQUIRES: m.mu is held.
func (m *model) violated(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

type modelRunner struct {
	m *model
	i int
}

func (r *modelRunner) Run(in, out []int) error {
	m := r.m
	m.mu.Lock()
	m.runs = append(m.runs, modelRun{r.i, slices.Clone(in), time.Now()})
	if len(in) > m.cfg.MaxBatch || len(in) != len(out) {
		m.violated("%d items and %d answers in a run; MaxBatch is %d", len(in), len(out), m.cfg.MaxBatch)
	}
	for _, item := range in {
		d, ok := m.deadline[item]
		if !ok || m.isolated(item) {
			continue
		}
		// Fake time stands still between the decision and the run.
		if m.cfg.Cost != nil && time.Now().Add(m.cost(len(in))).After(d) {
			m.violated("item %d was run with %d others, which it had no time for", item, len(in)-1)
		}
		if time.Now().After(d) {
			m.violated("item %d was run after its deadline", item)
		}
	}
	m.mu.Unlock()

	time.Sleep(m.cost(len(in)))
	for i, item := range in {
		if panics(item) {
			panic(item)
		}
		if poisoned(item) {
			return errPoison
		}
		out[i] = 10 * item
	}
	return nil
}

func (r *modelRunner) Close() {
	r.m.mu.Lock()
	r.m.live--
	r.m.mu.Unlock()
}

// isolated reports whether item has run before. REQUIRES: m.mu is held.
func (m *model) isolated(item int) bool {
	for _, r := range m.runs[:len(m.runs)-1] {
		if slices.Contains(r.items, item) {
			return true
		}
	}
	return false
}

func (m *model) run(t *testing.T) {
	b, err := Open(m.cfg)
	if err != nil {
		t.Fatal(err)
	}
	const items = 200
	var wg sync.WaitGroup
	answers := make([]error, items)
	pace := time.Duration(1+m.rnd.IntN(12)) * time.Millisecond
	for item := range items {
		ctx, cancel := m.context(item)
		p := Normal
		if m.rnd.IntN(4) == 0 {
			p = Low
		}
		m.mu.Lock()
		m.low[item], m.came[item] = p == Low, time.Now()
		m.mu.Unlock()
		wg.Go(func() {
			defer cancel()
			res, err := b.DoPriority(ctx, item, p)
			if err == nil && res.Value != 10*item {
				t.Errorf("item %d: got %d; want %d", item, res.Value, 10*item)
			}
			answers[item] = err
		})
		if m.rnd.IntN(4) > 0 { // Now and then two come at once.
			time.Sleep(time.Duration(m.rnd.Int64N(int64(pace))))
		}
	}
	synctest.Wait() // Until the last item is accepted or refused.
	ctx, cancel := context.WithTimeout(background, m.patience)
	defer cancel()
	drainErr := b.Drain(ctx)
	b.Close()
	wg.Wait()
	synctest.Wait()

	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkAnswers(answers, drainErr)
	m.checkOrder()
	m.checkLow()
	m.checkEnd(b.Stats(), answers)
	for _, v := range m.broken {
		t.Error(v)
	}
}

// context gives the item a deadline, a caller who leaves, or neither.
func (m *model) context(item int) (context.Context, context.CancelFunc) {
	d := time.Duration(m.rnd.IntN(100)) * time.Millisecond
	switch m.rnd.IntN(4) {
	case 0:
		m.mu.Lock()
		m.deadline[item] = time.Now().Add(d)
		m.mu.Unlock()
		return context.WithTimeout(background, d)
	case 1:
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(d, cancel)
		return ctx, cancel
	}
	return context.WithCancel(background)
}

func (m *model) checkAnswers(answers []error, drainErr error) {
	for item, err := range answers {
		var p *PanicError
		switch {
		case err == nil:
			if poisoned(item) {
				m.violated("item %d is poisoned and got a result", item)
			}
		case errors.Is(err, errPoison), errors.As(err, &p):
			if !poisoned(item) {
				m.violated("item %d is innocent and got %v", item, err)
			}
		case errors.Is(err, ErrDraining):
			if drainErr == nil {
				m.violated("item %d was lost by a drain that said it lost nothing", item)
			}
		case errors.Is(err, ErrQueueFull), errors.Is(err, ErrBacklog), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		default:
			m.violated("item %d: unexpected error %v", item, err)
		}
		if m.released[item] != 1 {
			m.violated("item %d was released %d times", item, m.released[item])
		}
	}
}

// checkOrder checks that each runner saw equals, those of one priority without a deadline, in the order they came in, and every
// item twice at most, and the second time alone. Items that came at the same instant may have changed places.
func (m *model) checkOrder() {
	last := make(map[[2]any]int)
	times := make(map[int]int)
	for _, r := range m.runs {
		for _, item := range r.items {
			times[item]++
			if times[item] == 2 && len(r.items) == 1 {
				continue
			}
			if times[item] > 1 {
				m.violated("item %d ran %d times, the last time among %d", item, times[item], len(r.items))
			}
			if _, ok := m.deadline[item]; ok {
				continue
			}
			class := [2]any{r.runner, m.low[item]}
			if l, ok := last[class]; ok && item < l && m.came[item].Before(m.came[l]) {
				m.violated("runner %d ran item %d after %d", r.runner, item, l)
			}
			last[class] = max(last[class], item)
		}
	}
}

// checkLow checks that no item of Low priority ran while an older one of Normal without a deadline waited, unless it had waited
// for its turn long enough.
func (m *model) checkLow() {
	began := make(map[int]time.Time)
	for _, r := range slices.Backward(m.runs) {
		for _, item := range r.items {
			began[item] = r.at
		}
	}
	for _, r := range m.runs {
		for _, low := range r.items {
			if !m.low[low] || r.at.Sub(m.came[low]) >= m.lowAge() || began[low] != r.at {
				continue
			}
			for item, at := range began {
				_, urgent := m.deadline[item]
				if !urgent && !m.low[item] && m.came[item].Before(r.at) && at.After(r.at) && len(r.items) < m.cfg.MaxBatch {
					m.violated("item %d of Low ran before %d of Normal", low, item)
				}
			}
		}
	}
}

// lowAge is how long an item of Low priority stands back at least.
func (m *model) lowAge() time.Duration {
	if m.cfg.LatencyTarget > 0 {
		return lowPatience * m.cfg.LatencyTarget
	}
	return lowPatience * patience
}

func (m *model) checkEnd(st Stats, answers []error) {
	if m.live != 0 || st.Queued != 0 || st.InFlight != 0 || st.Runners != 0 {
		m.violated("%d runners are open at the end: %+v", m.live, st)
	}
	var batches, rejected uint64
	for _, n := range st.Batches {
		batches += n
	}
	for _, n := range st.Rejected {
		rejected += n
	}
	if batches != uint64(len(m.runs)) {
		m.violated("got %d batches counted; want %d", batches, len(m.runs))
	}
	// An abandoned item counts as rejected and, if its run went on, also as run.
	abandoned := st.Rejected[RejectedAbandoned]
	if all := st.Items + st.Failed + rejected; all < uint64(len(answers)) || all > uint64(len(answers))+abandoned {
		m.violated("%d items do not add up: %+v", len(answers), st)
	}
}
