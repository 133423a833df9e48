package fleet

import (
	"math"
	"time"
)

// Of two thirds of a normal distribution's deviation 99 of 100 runs are within three: what package batching adds to a cost that is to hold
// (batching/cost.go, spreadsToHold times the mean deviation).
var holds = 3 * math.Sqrt(2/math.Pi)

// state is where a node is in its life.
type state uint8

const (
	starting state = iota
	ready
	draining // the balancer sends nothing more; it goes when all is answered
	leaving  // it has notice, says that it is not ready, and serves what comes
	gone
)

// node is a server.
type node struct {
	Node
	f       *fleet
	cost    []time.Duration // by size
	safe    []time.Duration // how long nearly all such batches run at most
	runners []runner
	line    []time.Duration // arrivals of what waits, from head on
	head    int
	under   int // handed over and not answered
	free    []time.Duration

	state      state
	dead       bool // it answers nothing; the balancer may not know yet
	routed     bool // the balancer sends to it
	generation int
	ordered    time.Duration
	readyAt    time.Duration
	busy       time.Duration // of all runners
	noted      time.Duration // busy when it was last looked at
	came       int           // requests that it got
	counted    int           // came when it was last looked at
}

type runner struct {
	batch []time.Duration // arrivals of what runs; empty: idle
	until time.Duration   // as it is expected
	began time.Duration
	done  func()
}

func (f *fleet) newNode(generation int) *node {
	n := &node{Node: f.cfg.Node, f: f, generation: generation, ordered: f.now}
	n.cost, n.safe = f.cost, f.safe
	n.runners = make([]runner, max(1, n.Runners))
	for i := range n.runners {
		r := &n.runners[i]
		r.done = func() { n.answer(r) }
	}
	if n.MaxQueue == 0 {
		n.MaxQueue = max(128, 4*n.MaxBatch*len(n.runners))
	}
	return n
}

func (n *node) waiting() int { return len(n.line) - n.head }

// offer hands it a request that comes now.
func (n *node) offer() {
	f := n.f
	n.came++
	switch {
	case n.dead:
		n.under++
		f.at(f.now+f.patience(), func() { n.under-- })
		f.note(f.now, failed)
	case n.refuses():
		f.note(f.now, refused)
	default:
		n.under++
		n.line = append(n.line, f.now)
		n.dispatch()
	}
}

// refuses is the door: full batches, each on the runner that is free first, as in batching/forecast.go.
func (n *node) refuses() bool {
	f, ahead := n.f, n.waiting()
	idle := 0
	n.free = n.free[:0]
	for i := range n.runners {
		if r := &n.runners[i]; len(r.batch) == 0 {
			idle++
			n.free = append(n.free, f.now)
		} else {
			n.free = append(n.free, max(r.until, f.now))
		}
	}
	if idle > 0 && ahead == 0 {
		return false
	}
	if ahead >= n.MaxQueue {
		return true
	}
	if f.cfg.Deadline == 0 {
		return false
	}
	own := min(ahead+1, n.MaxBatch) // where a full one waits, others will follow and join its batch
	for ; ; ahead -= n.MaxBatch {
		first := 0
		for i, at := range n.free {
			if at < n.free[first] {
				first = i
			}
		}
		if ahead < n.MaxBatch {
			return n.free[first]+n.safe[own] > f.now+f.cfg.Deadline
		}
		n.free[first] += n.safe[n.MaxBatch]
	}
}

// dispatch gives what waits to runners that are idle.
func (n *node) dispatch() {
	f := n.f
	for i := range n.runners {
		r := &n.runners[i]
		if len(r.batch) > 0 {
			continue
		}
		for n.waiting() > 0 && len(r.batch) < n.MaxBatch {
			came := n.line[n.head]
			n.head++
			if f.cfg.Deadline > 0 && f.now+n.cost[1] > came+f.cfg.Deadline {
				n.under--
				f.note(came, late)
				continue
			}
			r.batch = append(r.batch, came)
		}
		if n.head > 1024 && n.head > len(n.line)/2 {
			n.line = append(n.line[:0], n.line[n.head:]...)
			n.head = 0
		}
		if len(r.batch) == 0 {
			return
		}
		size := len(r.batch)
		took := n.cost[size]
		if n.vary != nil {
			took = n.vary(took, f.rnd)
		} else if n.Noise > 0 {
			took = time.Duration(float64(took) * math.Exp(n.Noise*f.rnd.NormFloat64()))
		}
		r.began, r.until = f.now, f.now+n.cost[size]
		f.runs++
		f.at(f.now+took, r.done)
	}
}

// answer is the end of a run.
func (n *node) answer(r *runner) {
	if n.dead {
		return
	}
	f := n.f
	n.busy += f.now - r.began
	for _, came := range r.batch {
		f.answered(came)
	}
	n.under -= len(r.batch)
	r.batch = r.batch[:0]
	n.dispatch()
	if n.state == draining && n.under == 0 {
		f.end(n)
	}
}

// die loses what it has.
func (n *node) die() {
	n.dead = true
	fail := func(came time.Duration) {
		n.f.note(came, failed)
		n.f.at(max(n.f.now, came+n.f.patience()), func() { n.under-- })
	}
	for i := range n.runners {
		for _, came := range n.runners[i].batch {
			fail(came)
		}
		n.runners[i].batch = nil
	}
	for _, came := range n.line[n.head:] {
		fail(came)
	}
	n.line, n.head = nil, 0
}

// busyNow is how long its runners have run, together.
func (n *node) busyNow() time.Duration {
	busy := n.busy
	for i := range n.runners {
		if r := &n.runners[i]; len(r.batch) > 0 {
			busy += n.f.now - r.began
		}
	}
	return busy
}

// prepare makes tables of the costs.
func (n Node) prepare() (cost, safe []time.Duration) {
	cost, safe = make([]time.Duration, n.MaxBatch+1), make([]time.Duration, n.MaxBatch+1)
	for size := 1; size <= n.MaxBatch; size++ {
		cost[size] = n.Costs.Of(size)
		safe[size] = time.Duration(float64(cost[size]) * (1 + holds*n.Noise))
	}
	return cost, safe
}
