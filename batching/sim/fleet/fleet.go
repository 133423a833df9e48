package fleet

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// fleet is a run of a Config.
type fleet struct {
	cfg    Config
	now    time.Duration
	agenda agenda
	rnd    *rand.Rand
	cost   []time.Duration
	safe   []time.Duration

	nodes      []*node // all that are paid for
	routed     []*node // those that the balancer sends to
	want       int     // how many there should be
	generation int     // which one there should be
	update     Update  // how it is brought about
	scaling    scaling
	under      func(i int) int // how much is under way at each of routed

	out  Outcome
	runs int
	used time.Duration // of the runners' time
	had  time.Duration // the runners' time of the nodes that were ready
	over bool          // nothing is paid for any more
}

// Run plays it. An arrival counts until Lasts, and is waited for beyond that.
func Run(cfg Config) *Outcome {
	f := &fleet{cfg: cfg, rnd: newRand(cfg.Seed), want: cfg.Nodes}
	f.cost, f.safe = cfg.Node.prepare()
	f.under = func(i int) int { return f.routed[i].under }
	if f.cfg.Balancer == nil {
		f.cfg.Balancer = &LeastOutstanding{}
	}
	if cfg.Step > 0 {
		f.out.Series = make([]Moment, (cfg.Lasts+cfg.Step-1)/cfg.Step)
		for i := range f.out.Series {
			at := time.Duration(i) * cfg.Step
			f.out.Series[i].At = at
			f.at(min(at+cfg.Step, cfg.Lasts)-1, func() { f.look(&f.out.Series[i]) })
		}
	}
	for range cfg.Nodes {
		n := f.newNode(0)
		n.state = ready
		f.nodes = append(f.nodes, n)
		f.route(n)
	}
	f.plan()
	for came := range cfg.Arrivals {
		if came >= cfg.Lasts {
			break
		}
		f.until(came)
		f.now = came
		f.arrive()
	}
	f.until(cfg.Lasts)
	f.now = cfg.Lasts
	f.close()
	return &f.out
}

// plan puts what the configuration says will happen on the agenda.
func (f *fleet) plan() {
	for _, l := range f.cfg.Losses {
		f.at(l.At, func() { f.lose(l) })
	}
	for _, u := range f.cfg.Updates {
		f.at(u.At, func() {
			f.generation++
			f.update = u
			f.reconcile()
		})
	}
	if f.cfg.Scaler != nil {
		f.scaling.begin(f)
	}
}

func (f *fleet) at(at time.Duration, do func()) { f.agenda.add(at, do) }

// until lets everything happen that happens before a moment.
func (f *fleet) until(end time.Duration) {
	for at, ok := f.agenda.next(); ok && at < end; at, ok = f.agenda.next() {
		f.now = at
		f.agenda.take().do()
	}
}

// close is the end: nodes are paid for until now, and what is under way is waited for, without scaler and losses.
func (f *fleet) close() {
	for _, n := range f.nodes {
		f.pay(n)
	}
	f.over = true
	f.out.Runs, f.out.Lasted = f.runs, f.cfg.Lasts-f.cfg.Warmup
	if f.had > 0 {
		f.out.Busy = float64(f.used) / float64(f.had)
	}
	patience := f.now + f.patience()
	for slices.ContainsFunc(f.nodes, func(n *node) bool { return !n.dead && n.under > 0 }) {
		if at, ok := f.agenda.next(); !ok || f.cfg.Deadline > 0 && at > 2*patience {
			panic("BUG: requests are under way that nothing will answer")
		}
		e := f.agenda.take()
		f.now, f.cfg.Scaler = e.at, nil
		e.do()
	}
}

// pay writes down what a node cost that ends now, and how much of it was used.
func (f *fleet) pay(n *node) {
	if f.over {
		return
	}
	f.out.NodeHours += max(0, f.now-max(n.ordered, f.cfg.Warmup)).Hours()
	if n.state != starting && !n.dead {
		f.had += (f.now - n.readyAt) * time.Duration(len(n.runners))
		f.used += n.busyNow()
	}
}

// patience is how long a caller waits for a node that does not answer.
func (f *fleet) patience() time.Duration {
	if f.cfg.Deadline > 0 {
		return f.cfg.Deadline
	}
	return 30 * time.Second // torchlit serve's own
}

// arrive is a request that comes now.
func (f *fleet) arrive() {
	f.note(f.now, offered)
	if len(f.routed) == 0 {
		f.note(f.now, refused)
		return
	}
	f.routed[f.cfg.Balancer.pick(len(f.routed), f.under, f.rnd)].offer()
}

// route makes the balancer send to a node.
func (f *fleet) route(n *node) {
	n.routed = true
	f.routed = append(f.routed, n)
}

// unroute makes it send no more.
func (f *fleet) unroute(n *node) {
	if n.routed {
		n.routed = false
		f.routed = slices.DeleteFunc(f.routed, func(o *node) bool { return o == n })
	}
}

// unnoticed is how long the balancer takes to find out that a node is bad: health checks come at their own times.
func (f *fleet) unnoticed() time.Duration {
	checks := float64(f.cfg.Health.Unhealthy) - f.rnd.Float64()
	return time.Duration(max(0, checks) * float64(f.cfg.Health.Every))
}

// order makes a node, which is ready when all is there.
func (f *fleet) order() {
	n := f.newNode(f.generation)
	f.nodes = append(f.nodes, n)
	s := f.cfg.Start
	takes := time.Duration(float64(s.Boot+s.Pull+s.Load) * math.Exp(s.Spread*f.rnd.NormFloat64()))
	takes += time.Duration(f.cfg.Health.Healthy) * f.cfg.Health.Every
	f.at(f.now+takes, func() {
		if n.state == starting {
			n.state, n.readyAt = ready, f.now
			f.route(n)
			f.reconcile()
		}
	})
}

// drain takes a node out of the balancer and ends it when it has answered what it has.
func (f *fleet) drain(n *node) {
	n.state = draining
	f.unroute(n)
	if n.under == 0 {
		f.end(n)
	}
}

// end removes a node.
func (f *fleet) end(n *node) {
	if n.state == gone {
		return
	}
	f.unroute(n)
	f.pay(n)
	n.state = gone
	f.nodes = slices.DeleteFunc(f.nodes, func(o *node) bool { return o == n })
}

// lose takes nodes away, by dice.
func (f *fleet) lose(l Loss) {
	all := f.in(ready)
	f.rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, n := range all[:min(l.Nodes, len(all))] {
		noticed := f.now + f.unnoticed()
		if l.Notice == 0 {
			n.die()
			f.at(noticed, func() { f.end(n); f.reconcile() })
			continue
		}
		// It says that it is not ready, and serves what still comes. It is paid for until it goes.
		n.state = leaving
		f.at(noticed, func() { f.unroute(n) })
		f.at(f.now+l.Notice, func() {
			f.unroute(n)
			n.die()
			f.end(n)
			f.reconcile()
		})
	}
}

func (f *fleet) in(s state) (in []*node) {
	for _, n := range f.nodes {
		if n.state == s && !n.dead {
			in = append(in, n)
		}
	}
	return in
}

// reconcile orders and drains until there are as many nodes as wanted, all of the generation that is wanted. What it cannot do
// yet is done when the next node is ready or gone.
func (f *fleet) reconcile() {
	up, coming := f.in(ready), f.in(starting)
	stale := slices.DeleteFunc(slices.Clone(up), func(n *node) bool { return n.generation == f.generation })
	fresh := len(up) + len(coming) - len(stale)
	most := f.want
	if len(stale) > 0 {
		most += f.update.Surge
	}
	total := len(up) + len(coming)
	for ; total < most && (fresh < f.want || total < f.want); total, fresh = total+1, fresh+1 {
		f.order()
	}
	if len(stale) > 0 {
		spare := len(up) - max(0, f.want-f.update.Unavailable)
		for _, n := range stale[:max(0, min(spare, len(stale)))] {
			f.drain(n)
			total--
		}
		if spare > 0 && total < most {
			f.reconcile() // a place is free for another
		}
		return
	}
	for ; total > f.want && len(coming) > 0; total-- { // the youngest first
		f.end(coming[len(coming)-1])
		coming = coming[:len(coming)-1]
	}
	for ; total > f.want && len(up) > 0; total-- {
		least := slices.MinFunc(up, func(a, b *node) int { return a.under - b.under })
		up = slices.DeleteFunc(up, func(n *node) bool { return n == least })
		f.drain(least)
	}
}

// look notes the size of the fleet.
func (f *fleet) look(m *Moment) {
	m.Ready, m.Paid = len(f.in(ready)), len(f.nodes)
}
