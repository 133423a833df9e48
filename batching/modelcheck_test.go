package batching

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// checkReturn checks what can be seen only at the moment in which the caller of item i gets its answer. REQUIRES: m.mu is held.
func (m *model) checkReturn(i int) {
	it := &m.items[i]
	for _, end := range []time.Time{it.deadline, it.leaves} {
		if !end.IsZero() && it.returned.After(end) {
			m.violated("the caller of item %d was kept for %s after it had given up", i, it.returned.Sub(end))
		}
	}
	running := false // or it waits to be run alone, after its batch has failed
	if it.runs > 0 {
		r := m.runs[it.last]
		running = r.failed || !r.at.Add(r.took).Before(it.returned)
	}
	if it.released == 0 && (!givenUp(it.err) || !running && !m.gated) {
		m.violated("item %d came back to nobody before its caller had %v", i, it.err)
	}
}

// givenUp reports whether err is that of a context which ended by itself.
func givenUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrDeadline)
}

// check looks at all that happened. It is called when nothing goes on any more.
func (m *model) check(st Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.items {
		m.checkAnswer(i)
		m.checkRuns(i)
	}
	m.checkOrder()
	m.checkLow()
	m.checkEnd(st)
}

// checkAnswer: one answer and one release an item, and the answer is the item's own, or a reason that holds.
func (m *model) checkAnswer(i int) {
	it := &m.items[i]
	if it.answers != 1 || it.released != 1 {
		m.violated("item %d was answered %d times and released %d times", i, it.answers, it.released)
	}
	beforeDrain := m.drained.IsZero() || it.came.Before(m.drained)
	var p *PanicError
	switch err := it.err; {
	case err == nil:
		m.checkResult(i)
	case errors.Is(err, errPoison), errors.As(err, &p):
		if !m.poisoned(i) || len(m.runs[it.last].items) > 1 {
			m.violated("item %d, poisoned: %v, got %v of a run of %v", i, m.poisoned(i), err, m.runs[it.last].items)
		}
	case errors.Is(err, ErrDraining):
		if beforeDrain && m.drainErr == nil || it.runs > 0 {
			m.violated("item %d was lost by a drain that said it lost nothing", i)
		}
	case errors.Is(err, ErrNoRunner), errors.Is(err, errNoMore):
		if !m.breaking {
			m.violated("item %d has no runner: %v", i, err)
		}
	case errors.Is(err, ErrQueueFull), errors.Is(err, ErrBacklog), errors.Is(err, ErrDeadline):
		if it.runs > 0 || !errors.Is(err, ErrQueueFull) && it.deadline.IsZero() {
			m.violated("item %d with deadline %v was run %d times and got %v", i, it.deadline, it.runs, err)
		}
	case givenUp(err):
		if end := it.deadline; errors.Is(err, context.DeadlineExceeded) && !it.returned.Equal(end) {
			m.violated("item %d got %v %s before its deadline", i, err, end.Sub(it.returned))
		}
		if errors.Is(err, context.Canceled) && !it.returned.Equal(it.leaves) {
			m.violated("item %d got %v, but its caller had not left", i, err)
		}
	default:
		m.violated("item %d: unexpected error %v", i, err)
	}
}

// checkResult: the result of item i is that of the last run it was in, at the end of which it was answered.
func (m *model) checkResult(i int) {
	it := &m.items[i]
	if m.poisoned(i) || it.runs == 0 {
		m.violated("item %d, poisoned: %v, was run %d times and got a result", i, m.poisoned(i), it.runs)
		return
	}
	r := m.runs[it.last]
	want := Result[int]{Value: answerOf(it.last, i), BatchSize: len(r.items), Queue: r.at.Sub(it.came), Run: r.took}
	if it.res != want || r.failed {
		m.violated("item %d got %+v of a run that failed: %v; want %+v", i, it.res, r.failed, want)
	}
	if end := r.at.Add(r.took); !it.returned.Equal(end) {
		m.violated("item %d was answered %s after its run", i, it.returned.Sub(end))
	}
	if !m.drained.IsZero() && it.came.After(m.drained) {
		m.violated("item %d was accepted after the drain had begun", i)
	}
}

// checkRuns: what runs again does so after a failure, once and alone.
func (m *model) checkRuns(i int) {
	it := &m.items[i]
	seen := 0
	for _, r := range m.runs {
		if !slices.Contains(r.items, i) {
			continue
		}
		if seen++; seen > 2 || seen == 2 && len(r.items) > 1 || seen < it.runs && !r.failed {
			m.violated("item %d, in %d runs, is in run number %d of them, which failed: %v, with %v", i, it.runs, seen, r.failed, r.items)
		}
	}
}

// checkOrder: equals, which are of one priority and have no near deadline, begin in the order they came in, so a client's do; and
// where there is one runner, they are answered in it. Items that came at the same instant may have changed places.
func (m *model) checkOrder() {
	type class struct {
		low    bool
		client int // -1: all of them
	}
	last := make(map[class]int)
	for i := range m.items {
		it := &m.items[i]
		if !it.equal() || it.runs == 0 {
			continue
		}
		for _, c := range []class{{it.low, -1}, {it.low, it.client}} {
			if l, ok := last[c]; ok {
				m.checkPair(l, i)
			}
			if l, ok := last[c]; !ok || it.first.After(m.items[l].first) {
				last[c] = i
			}
		}
	}
}

// checkPair: equals a and b came in this order.
func (m *model) checkPair(a, b int) {
	x, y := &m.items[a], &m.items[b]
	if x.came.Equal(y.came) {
		return
	}
	if y.first.Before(x.first) && (!m.gated || m.runs[x.last].runner == m.runs[y.last].runner) {
		m.violated("item %d was run before %d, which came before it", b, a)
	}
	if m.cfg.Runners == 1 && x.err == nil && y.err == nil && y.returned.Before(x.returned) {
		m.violated("item %d was answered before %d, which came before it", b, a)
	}
}

// checkLow: no item of Low priority begins while an older equal of Normal waits, unless it has waited for its turn long enough, or
// the batch is full.
func (m *model) checkLow() {
	age := lowPatience * patience
	if m.cfg.LatencyTarget > 0 {
		age = lowPatience * m.cfg.LatencyTarget
	}
	for _, r := range m.runs {
		for _, l := range r.items {
			low := &m.items[l]
			if !low.low || r.at.Sub(low.came) >= age || !low.first.Equal(r.at) || len(r.items) >= m.cfg.MaxBatch || m.gated {
				continue
			}
			for i := range m.items {
				it := &m.items[i]
				if !it.low && it.equal() && it.runs > 0 && it.came.Before(r.at) && it.first.After(r.at) {
					m.violated("item %d of Low was run before %d of Normal", l, i)
				}
			}
		}
	}
}

// checkBusy: while anything waits, no runner is idle. REQUIRES: nothing goes on.
func (m *model) checkBusy(st Stats) {
	if st.Queued > 0 && st.Idle > 0 {
		m.mu.Lock()
		m.violated("%d items wait for %d runners that do nothing", st.Queued, st.Idle)
		m.mu.Unlock()
	}
}

// checkEnd: nothing is left, and the counters tell what happened.
func (m *model) checkEnd(st Stats) {
	if m.open != 0 || st.Queued != 0 || st.InFlight != 0 || st.Runners != 0 {
		m.violated("%d runners are open at the end: %+v", m.open, st)
	}
	if m.told.deepest > m.cfg.MaxQueue {
		m.violated("%d items waited; MaxQueue is %d", m.told.deepest, m.cfg.MaxQueue)
	}
	var batches, served, failed, started, unserved int
	for _, r := range m.runs {
		switch {
		case !r.failed:
			served += len(r.items)
		case len(r.items) == 1:
			failed++
		}
	}
	for i := range m.items {
		if m.items[i].runs > 0 {
			started++
		}
		if err := m.items[i].err; err != nil && !errors.Is(err, errPoison) && !isPanic(err) {
			unserved++
		}
	}
	for _, n := range st.Batches {
		batches += int(n)
	}
	rejected := 0
	for _, n := range st.Rejected {
		rejected += int(n)
	}
	f := func(what string, got, want int) {
		if got != want {
			m.violated("%s: got %d; want %d: %+v, %+v", what, got, want, st, m.told)
		}
	}
	f("batches", batches, len(m.runs))
	f("items served", int(st.Items), served)
	f("items failed", int(st.Failed), failed)
	f("items rejected", rejected, unserved)
	f("batches that were told of", m.told.batches, batches)
	f("lone runs that were told of", m.told.isolated, int(st.Batches[ReasonIsolate]))
	f("items rejected that were told of", m.told.rejected, rejected)
	f("items taken that were told of", m.told.dequeued, started)
}

func isPanic(err error) bool {
	var p *PanicError
	return errors.As(err, &p)
}

// modelSum adds up what happened in all loads: a model in which something never happens checks nothing of it.
type modelSum struct {
	loads                                                                 int
	served, failed, full, backlog, late, left, draining, noRunner, reruns int
	kept, lost                                                            int // urgent items that were accepted where all is known
}

func (s *modelSum) add(m *model) {
	s.loads++
	for i := range m.items {
		it := &m.items[i]
		if it.runs > 1 {
			s.reruns++
		}
		switch err := it.err; {
		case err == nil:
			s.served++
		case errors.Is(err, errPoison), isPanic(err):
			s.failed++
		case errors.Is(err, ErrQueueFull):
			s.full++
		case errors.Is(err, ErrBacklog):
			s.backlog++
		case errors.Is(err, ErrDraining):
			s.draining++
		case errors.Is(err, ErrNoRunner), errors.Is(err, errNoMore):
			s.noRunner++
		case errors.Is(err, context.DeadlineExceeded):
			s.late++
		default:
			s.left++
		}
		if m.promised(i) && it.err == nil {
			s.kept++
		} else if m.promised(i) && (givenUp(it.err) || errors.Is(it.err, ErrDeadline) && !it.returned.Equal(it.came)) {
			s.lost++
		}
	}
}

// promised reports whether the door, when it lets item i in, knows all that decides about its deadline, but for what comes later.
func (m *model) promised(i int) bool {
	it := &m.items[i]
	return m.exact() && m.calm && it.mood() == urgent && !it.low && !it.asked && it.deadline.After(it.came) &&
		(m.drained.IsZero() || it.deadline.Before(m.drained))
}

func (s *modelSum) check(t *testing.T) {
	t.Logf("%+v", *s)
	if s.loads < 100 {
		return
	}
	for what, n := range map[string]int{"served": s.served, "failed": s.failed, "refused by a full queue": s.full, "refused for a backlog": s.backlog,
		"late": s.late, "left by their callers": s.left, "drained": s.draining, "without a runner": s.noRunner, "run again": s.reruns} {
		if n < s.loads/10 {
			t.Errorf("%d items of %d loads are %s: too few to show anything", n, s.loads, what)
		}
	}
	if s.lost*50 > s.kept {
		t.Errorf("%d items were let in for a deadline that was then missed, and %d met it; want one in fifty at most", s.lost, s.kept)
	}
}
