package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/torchlit/torchlit/batching/sim/fleet"
)

// variant is one way to run a fleet through a scenario.
type variant struct {
	name    string
	config  fleet.Config
	outcome *fleet.Outcome
}

// times are those of a node's start and of the health checks. The defaults are assumptions, except the time to load a model.
type times struct {
	boot, pull, load time.Duration
	health           fleet.Health
}

func defaultTimes() times {
	return times{
		boot: 45 * time.Second, pull: 30 * time.Second, load: time.Second, // the last: docs/source/performance.md, start to ready
		health: fleet.Health{Every: 5 * time.Second, Unhealthy: 3, Healthy: 2}, // deploy/gce/group.sh
	}
}

// base is a fleet with nothing happening to it.
func (t times) base(n fleet.Node, nodes int, lasts, deadline time.Duration) fleet.Config {
	return fleet.Config{
		Node: n, Nodes: nodes, Lasts: lasts, Deadline: deadline, Health: t.health, Seed: 1,
		Start: fleet.Start{Boot: t.boot, Pull: t.pull, Load: t.load, Spread: 0.1}, Step: lasts / 120,
	}
}

// poisson sets the arrivals.
func poisson(c fleet.Config, rate fleet.Rate, most float64) fleet.Config {
	c.Arrivals = fleet.Poisson(rate, most, c.Lasts, 2)
	return c
}

// threefold is a rate that is three times as high after two minutes, before autoscalers that look at different metrics, and at different
// times. least is the fleet before; usual is the share of its capacity that it is used to.
func threefold(t times, n fleet.Node, least int, usual float64, deadline time.Duration) []variant {
	const lasts = 12 * time.Minute
	rate := usual * float64(least) * n.Capacity()
	most := 6 * least
	var out []variant
	for _, s := range []*fleet.Scaler{
		fleet.HPA(fleet.RequestRate, usual*n.Capacity(), least, most),
		fleet.HPA(fleet.Utilization, busy(n, usual), least, most),
		fleet.HPA(fleet.InFlight, inFlight, least, most),
		fleet.HPA(fleet.QueueDepth, queued, least, most),
		fleet.GroupOfVMs(fleet.RequestRate, usual*n.Capacity(), least, most),
	} {
		c := poisson(t.base(n, least, lasts, deadline), fleet.StepAt(rate, 3, 2*time.Minute), 3*rate)
		c.Scaler = s
		out = append(out, variant{name: s.Name + ", " + s.Metric.String(), config: c})
	}
	return run(out)
}

// busy is the share of a node's time that is used at a share of its capacity: more than that, since the batches are small then.
func busy(n fleet.Node, usual float64) float64 {
	const lasts = 2 * time.Minute
	rate := usual * n.Capacity()
	return fleet.Run(fleet.Config{Node: n, Nodes: 1, Lasts: lasts, Seed: 1, Arrivals: fleet.Poisson(fleet.Steady(rate), rate, lasts, 1)}).Busy
}

// What the metrics of a moment are kept at: half a batch of company for what is under way, and deploy/gce/settings.sh's SCALE_TARGET.
const (
	inFlight = 8
	queued   = 16
)

// loss is nodes that go in the third minute of ten, with and without notice, and fleets that have spare ones.
func loss(t times, n fleet.Node, nodes, lost int, usual float64, deadline time.Duration) []variant {
	const lasts = 8 * time.Minute
	rate := usual * float64(nodes) * n.Capacity()
	one := func(name string, spare int, notice time.Duration, b fleet.Balancer) variant {
		c := poisson(t.base(n, nodes+spare, lasts, deadline), fleet.Steady(rate), rate)
		c.Balancer = b
		c.Losses = []fleet.Loss{{At: 2 * time.Minute, Nodes: lost, Notice: notice}}
		return variant{name: name, config: c}
	}
	return run([]variant{
		one("no spare node", 0, 0, nil),
		one(fmt.Sprintf("%d spare", lost), lost, 0, nil),
		one(fmt.Sprintf("%d spare, round robin", lost), lost, 0, &fleet.RoundRobin{}),
		one("no spare node, 30 s notice", 0, 30*time.Second, nil),
		one(fmt.Sprintf("%d spare, 30 s notice", lost), lost, 30*time.Second, nil),
	})
}

// update is a rolling update of all nodes.
func update(t times, n fleet.Node, nodes int, usual float64, deadline time.Duration) []variant {
	rate := usual * float64(nodes) * n.Capacity()
	one := func(name string, spare int, u fleet.Update) variant {
		c := poisson(t.base(n, nodes+spare, 12*time.Minute, deadline), fleet.Steady(rate), rate)
		u.At = time.Minute
		c.Updates = []fleet.Update{u}
		return variant{name: name, config: c}
	}
	return run([]variant{
		one("surge 2", 0, fleet.Update{Surge: 2}),
		one("unavailable 2", 0, fleet.Update{Unavailable: 2}),
		one("unavailable 2, 2 spare", 2, fleet.Update{Unavailable: 2}),
	})
}

// day is two hours in place of a day, from low to high and back, with bursts of a third more: a fleet of fixed size, and two that scale.
func day(t times, n fleet.Node, low, high, usual float64, deadline time.Duration) []variant {
	const lasts = 2 * time.Hour
	rate := fleet.Bursts(fleet.Day(low, high, lasts), 1.3, 2*time.Minute, 15*time.Minute, lasts, 3)
	peak := nodesFor(1.3*high/n.Capacity(), 0.95)
	target := usual * n.Capacity()
	first := nodesFor(low/n.Capacity(), usual)
	var out []variant
	for _, v := range []struct {
		name   string
		nodes  int
		scaler *fleet.Scaler
	}{
		{fmt.Sprintf("%d nodes", peak), peak, nil},
		{"HPA, requests/s", first, fleet.HPA(fleet.RequestRate, target, first, peak)},
		{"instance group, requests/s", first, fleet.GroupOfVMs(fleet.RequestRate, target, first, peak)},
		{"HPA, queue depth", first, fleet.HPA(fleet.QueueDepth, queued, first, peak)},
	} {
		c := poisson(t.base(n, v.nodes, lasts, deadline), rate, 1.3*high)
		c.Scaler = v.scaler
		out = append(out, variant{name: v.name, config: c})
	}
	return run(out)
}

func nodesFor(nodes, load float64) int {
	n := 1
	for float64(n)*load < nodes {
		n++
	}
	return n
}

// recorded plays a trace of one server's callers, overlaid until they are as many as the rate asks for.
func recorded(t times, n fleet.Node, trace []time.Duration, rate float64, nodes int, deadline time.Duration) ([]variant, error) {
	var out []variant
	for _, b := range []fleet.Balancer{&fleet.LeastOutstanding{}, fleet.RandomTwo{}, &fleet.RoundRobin{}, fleet.Random{}} {
		c := t.base(n, nodes, 5*time.Minute, deadline)
		c.Balancer = b
		var err error
		if c.Arrivals, err = fleet.Overlay(trace, rate, c.Lasts, 4); err != nil {
			return nil, err
		}
		out = append(out, variant{name: b.Name(), config: c})
	}
	return run(out), nil
}

// run plays all of them, each on a CPU of its own where there are several.
func run(vs []variant) []variant {
	var group sync.WaitGroup
	for i := range vs {
		group.Go(func() { vs[i].outcome = fleet.Run(vs[i].config) })
	}
	group.Wait()
	return vs
}
