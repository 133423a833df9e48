package batching

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// seedVariable names one load of TestModel and TestSoakModel, to see it again.
const seedVariable = "TORCHLIT_BATCHING_SEED"

// TestModel throws random loads at batchers of random shapes, in fake time, and checks the invariants of the package comment. Each
// load is of several clients, whose items have deadlines near and far, are given up, fail, panic, break their runner, come in bursts,
// and meet a drain or a close. Run times may be given, unknown, noisy, or change in the middle.
//
// A load follows from its seed alone, but for the order of what happens at the same instant. A failure names the seed.
func TestModel(t *testing.T) {
	if one := os.Getenv(seedVariable); one != "" {
		seed, err := strconv.ParseUint(one, 10, 64)
		if err != nil {
			t.Fatalf("%s=%q is not a number", seedVariable, one)
		}
		models(t, seed, seed+1)
		return
	}
	seeds := uint64(2000)
	if testing.Short() {
		seeds = 100
	}
	models(t, 0, seeds)
}

// models runs the loads of the seeds from first on, and those before end.
func models(t *testing.T, first, end uint64) {
	var sum modelSum
	for seed := first; seed < end && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) { newModel(seed).run(t, &sum) })
	}
	sum.check(t)
}

// What a client is to an item: what its caller waits for.
const (
	patient  = iota // no deadline
	distant         // a deadline far beyond anybody's patience, as the server gives to each request
	urgent          // one that is near
	fickle          // no deadline, and a caller who leaves
	numMoods        //
	clients  = 3 * numMoods
	items    = 200
)

const distance = 10 * time.Minute

// model is one load, and the runners that it is run by. The goroutines of its items share it under mu.
type model struct {
	seed     uint64
	rnd      *rand.Rand // of the goroutine that makes the load
	cfg      Config[int, int]
	base     time.Duration // run time of a batch
	slope    time.Duration // and for each of its items
	noisy    bool          // run times vary
	shifted  time.Duration // when they are five times as long for a while; 0: never
	gated    bool          // the runners wait for one another
	calm     bool          // no item fails
	breaking bool          // some items break their runner, which may be the end of it
	pace     time.Duration
	drainAt  int           // the item before which the drain begins
	closing  bool          // it is a Close
	hasty    bool          // a Close follows before the drain is over
	grace    time.Duration // how long the drain waits

	start time.Time
	gate  chan struct{} // one slot: the runner that holds it may run

	mu       sync.Mutex
	noise    *rand.Rand
	items    [items]modelItem
	runs     []modelRun
	told     modelTold
	open     int       // runners made and not closed
	drained  time.Time // when the drain began
	drainErr error
	broken   []string // invariants
}

// modelItem is what was asked and what became of it.
type modelItem struct {
	client   int
	low      bool
	asked    bool // Refusal first, then DoAsked
	came     time.Time
	deadline time.Time // zero: none
	leaves   time.Time // when its caller does; zero: never

	runs     int // how many it was in
	last     int // the last of them
	first    time.Time
	released int

	answers  int
	returned time.Time
	res      Result[int]
	err      error
}

// mood is that of the item's client.
func (it *modelItem) mood() int { return it.client % numMoods }

// equal reports whether the item is one of those that keep their order.
func (it *modelItem) equal() bool { return it.mood() != urgent }

func newModel(seed uint64) *model {
	rnd := rand.New(rand.NewPCG(seed, 0))
	one := func(in int) bool { return rnd.IntN(in) == 0 }
	m := &model{
		seed:     seed,
		rnd:      rnd,
		noise:    rand.New(rand.NewPCG(seed, 1)),
		gate:     make(chan struct{}, 1),
		base:     time.Duration(1+rnd.IntN(20)) * time.Millisecond,
		slope:    time.Duration(rnd.IntN(10)) * time.Millisecond,
		pace:     time.Duration(1+rnd.IntN(12)) * time.Millisecond,
		noisy:    one(3),
		gated:    one(5),
		calm:     one(3),
		breaking: one(5),
		drainAt:  items,
		closing:  one(4),
		hasty:    one(4),
		grace:    time.Duration(rnd.IntN(2000)) * time.Millisecond,
	}
	if one(4) {
		m.shifted = time.Duration(1+rnd.IntN(300)) * time.Millisecond
	}
	if one(3) {
		m.drainAt = rnd.IntN(items)
	} else if one(2) {
		m.drainAt = items - rnd.IntN(items/4)
	}
	m.cfg = Config[int, int]{
		NewRunner: m.newRunner,
		Runners:   1 + rnd.IntN(3),
		MaxBatch:  1 + rnd.IntN(8),
		MaxQueue:  1 + rnd.IntN(30),
		Release:   m.release,
		Observer:  m.told.observer(&m.mu),
	}
	if one(2) {
		m.cfg.Cost = m.cost
	}
	if one(4) {
		m.cfg.LatencyTarget = time.Duration(1+rnd.IntN(200)) * time.Millisecond
	}
	if one(4) {
		m.cfg.Buckets = []int{1, 2, 4, 8}
	}
	return m
}

// What becomes of an item in a run is in its number.
func (m *model) poisoned(item int) bool { return !m.calm && item%17 == 3 }
func (m *model) panics(item int) bool   { return !m.calm && item%34 == 3 }
func (m *model) breaks(item int) bool   { return !m.calm && m.breaking && item%51 == 3 } // its runner

// exact reports whether the batcher knows how long every batch runs.
func (m *model) exact() bool {
	return m.cfg.Cost != nil && !m.noisy && m.shifted == 0 && !m.gated
}

// run plays the load and checks it. Its failures name the seed.
func (m *model) run(t *testing.T, sum *modelSum) {
	b, err := Open(m.cfg)
	if err != nil {
		t.Fatal(err)
	}
	m.start = time.Now()
	var wg, end sync.WaitGroup
	for i := range items {
		if i == m.drainAt {
			end.Go(func() { m.end(b) })
		}
		ctx, cancel := m.come(i)
		wg.Go(func() {
			defer cancel()
			m.do(ctx, b, i)
		})
		if m.rnd.IntN(4) > 0 { // Now and then two come at once.
			time.Sleep(time.Duration(m.rnd.Int64N(int64(m.pace))))
		}
		if m.rnd.IntN(8) == 0 {
			synctest.Wait()
			m.checkBusy(b.Stats())
		}
	}
	synctest.Wait() // Until the last item is accepted or refused.
	if m.drainAt == items {
		end.Go(func() { m.end(b) })
	}
	if !m.hasty {
		end.Wait()
	}
	b.Close()
	wg.Wait()
	end.Wait()
	synctest.Wait()
	m.check(b.Stats())
	sum.add(m)
	for _, v := range m.broken {
		t.Errorf("%s=%d: %s", seedVariable, m.seed, v)
	}
}

// come makes item i of a client, and gives it a deadline, a caller who leaves, or neither.
func (m *model) come(i int) (context.Context, context.CancelFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it := &m.items[i]
	it.client, it.came = m.rnd.IntN(clients), time.Now()
	it.low = it.client/numMoods == 0 // a third of the clients
	it.asked = m.rnd.IntN(4) == 0
	near := time.Duration(m.rnd.IntN(100)) * time.Millisecond
	switch it.mood() {
	case distant:
		it.deadline = it.came.Add(distance)
		return context.WithDeadline(background, it.deadline)
	case urgent:
		it.deadline = it.came.Add(near)
		return context.WithDeadline(background, it.deadline)
	case fickle:
		it.leaves = it.came.Add(near)
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(near, cancel)
		return ctx, cancel
	}
	return context.WithCancel(background)
}

// do is the caller of item i.
func (m *model) do(ctx context.Context, b *Batcher[int, int], i int) {
	p := Normal
	if m.items[i].low {
		p = Low
	}
	var res Result[int]
	var err error
	if !m.items[i].asked {
		res, err = b.DoPriority(ctx, i, p)
	} else if err = b.Refusal(ctx, p, 0, 0); err == nil {
		res, err = b.DoAsked(ctx, i, p)
	} else {
		m.release(i) // It was never given away.
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	it := &m.items[i]
	it.answers++
	it.res, it.err, it.returned = res, err, time.Now()
	m.checkReturn(i)
}

// end drains or closes the batcher.
func (m *model) end(b *Batcher[int, int]) {
	m.mu.Lock()
	m.drained = time.Now()
	m.mu.Unlock()
	if m.closing {
		b.Close()
		m.drainErr = errClosed
		return
	}
	ctx, cancel := context.WithTimeout(background, m.grace)
	defer cancel()
	if m.drainErr = b.Drain(ctx); m.hasty {
		m.drainErr = errClosed
	}
}

var errClosed = errors.New("the batcher was closed, not drained")

// violated notes a broken invariant. REQUIRES: m.mu is held.
func (m *model) violated(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}
