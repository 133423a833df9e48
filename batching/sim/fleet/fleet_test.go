package fleet

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
)

// quick is a node that does 100 images/s one by one, and 250 in batches of eight.
var quick = Node{Costs: sim.Table{{Size: 1, Took: 10 * time.Millisecond}, {Size: 8, Took: 32 * time.Millisecond}}, MaxBatch: 8, Noise: 0.03}

func fixed(nodes int, rate Rate, most float64, lasts time.Duration) Config {
	return Config{
		Node: quick, Nodes: nodes, Lasts: lasts, Deadline: time.Second, Seed: 1, Step: time.Second,
		Arrivals: Poisson(rate, most, lasts, 1), Health: Health{Every: 5 * time.Second, Unhealthy: 3, Healthy: 2},
		Start: Start{Boot: 30 * time.Second, Pull: 20 * time.Second, Load: 2 * time.Second},
	}
}

// steady has four nodes at four fifths of their capacity for five minutes.
func steady() Config { return fixed(4, Steady(800), 800, 5*time.Minute) }

// play runs it, and holds it to what is true of every run.
func play(t *testing.T, c Config) *Outcome {
	t.Helper()
	o := Run(c)
	if sum := o.Good + o.Late + o.Refused + o.Failed; sum != o.Offered || o.Offered == 0 {
		t.Errorf("%d offered, and %d answered, late, refused or failed: %+v", o.Offered, sum, o.Count)
	}
	total := Count{}
	for _, m := range o.Series {
		total.Offered, total.Good, total.Failed = total.Offered+m.Offered, total.Good+m.Good, total.Failed+m.Failed
	}
	if c.Warmup == 0 && (total.Offered != o.Offered || total.Good != o.Good || total.Failed != o.Failed) {
		t.Errorf("the series has %+v, the whole %+v", total, o.Count)
	}
	return o
}

func between[T int | float64](t *testing.T, what string, got, low, high T) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: %v; want %v to %v", what, got, low, high)
	}
}

// extremes returns the least and the most ready and paid nodes from a moment on.
func extremes(o *Outcome, from time.Duration) (least, most, paid int) {
	least = o.Series[0].Ready
	for _, m := range o.Series {
		if m.At >= from {
			least, most, paid = min(least, m.Ready), max(most, m.Ready), max(paid, m.Paid)
		}
	}
	return least, most, paid
}

func TestNothingHappens(t *testing.T) {
	o := play(t, steady())
	if o.Good != o.Offered {
		t.Errorf("not all is answered: %+v", o.Count)
	}
	between(t, "node-hours", o.NodeHours, 4.0*5/60-1e-9, 4.0*5/60+1e-9)
	if again := Run(steady()); !reflect.DeepEqual(o, again) {
		t.Error("the same configuration has another outcome")
	}
	other := steady()
	other.Seed = 2
	if reflect.DeepEqual(o, Run(other)) {
		t.Error("the seed changes nothing")
	}
}

// Over capacity as much is answered as can be, and all of that in time.
func TestOverload(t *testing.T) {
	o := play(t, fixed(2, Steady(1000), 1000, 2*time.Minute))
	between(t, "share of capacity", float64(o.Good)/120/(2*quick.Capacity()), 0.97, 1.03)
	between(t, "late", float64(o.Late)/float64(o.Offered), 0, 0.005)
}

func TestLoss(t *testing.T) {
	lose := func(notice time.Duration, b Balancer) *Outcome {
		c := steady()
		c.Nodes, c.Balancer = 6, b
		c.Losses = []Loss{{At: time.Minute, Nodes: 2, Notice: notice}}
		return play(t, c)
	}
	blind, seeing, told := lose(0, &RoundRobin{}), lose(0, nil), lose(30*time.Second, nil)
	// A third of 800 images/s, for 10 to 15 s until the health checks know.
	between(t, "lost by round robin", blind.Failed, 800/3*9, 800/3*16)
	between(t, "lost by least outstanding", seeing.Failed, 1, blind.Failed/5)
	if told.Failed+told.Refused+told.Late > 0 {
		t.Errorf("with notice: %+v; want all answered", told.Count)
	}
	for _, o := range []*Outcome{blind, seeing, told} {
		least, _, _ := extremes(o, 0)
		if last := o.Series[len(o.Series)-1]; least != 4 || last.Ready != 6 || last.Paid != 6 {
			t.Errorf("at least %d nodes were ready, in the end %d of %d; want 4, and 6 of 6", least, last.Ready, last.Paid)
		}
	}
}

func TestUpdate(t *testing.T) {
	for _, u := range []Update{{Surge: 1}, {Unavailable: 1}, {Surge: 2, Unavailable: 1}} {
		c := steady()
		c.Lasts, u.At = 10*time.Minute, 10*time.Second
		c.Arrivals = Poisson(Steady(500), 500, c.Lasts, 1)
		c.Updates = []Update{u}
		o := play(t, c)
		least, most, paid := extremes(o, 0)
		between(t, "ready", least, 4-u.Unavailable, 4)
		between(t, "ready", most, 4, 4+u.Surge)
		// The drained ones are paid for until they have answered what they have, which is less than a second's step.
		between(t, "paid", paid, 4, 4+u.Surge+u.Unavailable)
		if o.Good != o.Offered {
			t.Errorf("%+v: an update loses requests: %+v", u, o.Count)
		}
		starts := o.NodeHours*60 - 4*10 // what was paid beyond four nodes
		if u.Unavailable == 0 && starts < 4*0.8 {
			t.Errorf("%+v: %.1f minutes of more nodes than four; want the starts of all four", u, starts)
		}
	}
}

func TestScalers(t *testing.T) {
	rate := func(at time.Duration) float64 { // 200, then 1000, then 200 again
		if at >= 3*time.Minute && at < 15*time.Minute {
			return 1000
		}
		return 200
	}
	ready := func(o *Outcome, at time.Duration) int { return o.Series[at/time.Second].Ready }
	for _, s := range []*Scaler{HPA(RequestRate, 150, 2, 20), GroupOfVMs(RequestRate, 150, 2, 20)} {
		c := fixed(2, rate, 1000, 40*time.Minute)
		c.Scaler = s
		o := play(t, c)
		between(t, s.Name+": nodes before", ready(o, 3*time.Minute), 2, 3)
		between(t, s.Name+": nodes at 1000 images/s", ready(o, 14*time.Minute), 7, 8) // 1000/150, chance included
		between(t, s.Name+": nodes when it is just over", ready(o, 15*time.Minute+s.DownAfter-time.Minute), 7, 8)
		last := ready(o, 40*time.Minute-1)
		if s.DownEvery == 0 {
			between(t, s.Name+": nodes in the end", last, 2, 3)
		} else {
			between(t, s.Name+": nodes in the end", last, 5, 6) // one in ten minutes
		}
		between(t, s.Name+": nodes at a time", slices.MaxFunc(o.Series, func(a, b Moment) int { return a.Ready - b.Ready }).Ready, 7, 8)
	}
}

// A metric that is next to nothing until a node is full cannot say how many nodes there should be: docs/source/capacity.md.
func TestQueueDepthGoesToAndFro(t *testing.T) {
	swings := func(m Metric, target float64) (swings int) {
		c := fixed(3, Steady(1200), 1200, 40*time.Minute)
		c.Scaler = HPA(m, target, 2, 12)
		o := play(t, c)
		for i := 1; i < len(o.Series); i++ {
			if o.Series[i].Ready < o.Series[i-1].Ready {
				swings++
			}
		}
		return swings
	}
	between(t, "times that nodes were taken away by queue depth", swings(QueueDepth, 16), 3, 40)
	between(t, "times that nodes were taken away by requests/s", swings(RequestRate, 150), 0, 1)
}
