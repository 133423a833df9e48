package fleet

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Demand is what a fleet is to serve.
type Demand struct {
	Rate     float64       // images a second, at the busiest
	P99      time.Duration // 99 of 100 of all that are offered are to be answered within it; who is refused is not
	Deadline time.Duration // of each request; 0: four times P99
	Spare    int           // so many nodes may be missing meanwhile
}

// Plan is a number of nodes.
type Plan struct {
	Nodes   int      // the spare ones included
	Rule    int      // what Rule says, the spare ones included
	Load    float64  // share of the capacity of the nodes without the spare ones
	Outcome *Outcome // of these
}

const (
	planned = 60_000 // requests, of which the first tenth does not count
	mostOf  = 20     // times the rate over the capacity are tried
)

// PlanFor finds the least number of nodes that meets the demand, by simulation under Poisson arrivals of a fixed rate before one balancer
// that takes the node with the least under way. It returns an error if no number does: a target below what a lone image takes.
func PlanFor(n Node, d Demand) (Plan, error) {
	if !(d.Rate > 0) || d.P99 <= 0 || d.Spare < 0 || n.MaxBatch < 1 {
		return Plan{}, errors.New("cannot plan: rate, p99 and largest batch must be positive")
	}
	if d.Deadline == 0 {
		d.Deadline = 4 * d.P99
	}
	lone := time.Duration(float64(n.Costs.Of(1)) * (1 + holds*n.Noise))
	if d.P99 < lone || d.Deadline < d.P99 {
		return Plan{}, fmt.Errorf("cannot plan for a p99 of %s: a lone image takes up to %s, and the deadline is %s: ask for a p99 between these", d.P99, lone, d.Deadline)
	}
	play := func(nodes int) *Outcome {
		lasts := time.Duration(planned / d.Rate * float64(time.Second))
		return Run(Config{
			Node: n, Nodes: nodes, Lasts: lasts, Warmup: lasts / 10, Deadline: d.Deadline, Seed: 1,
			Arrivals: Poisson(Steady(d.Rate), d.Rate, lasts, 1),
		})
	}
	least := max(1, int(math.Ceil(d.Rate/n.Capacity())))
	most := least * mostOf
	// It is near the least: steps that double, and then halves between the last two.
	few, nodes := least-1, least
	best := play(nodes)
	for step := 1; best.Within(d.P99) < 0.99; step *= 2 {
		if nodes == most {
			return Plan{}, fmt.Errorf("cannot plan for a p99 of %s: %d nodes, which are %d times what the rate alone takes, do not keep it; ask for a longer one", d.P99, most, mostOf)
		}
		few, nodes = nodes, min(nodes+step, most)
		best = play(nodes)
	}
	for nodes-few > 1 {
		between := (few + nodes) / 2
		if o := play(between); o.Within(d.P99) >= 0.99 {
			nodes, best = between, o
		} else {
			few = between
		}
	}
	return Plan{
		Nodes: nodes + d.Spare, Rule: n.Rule(d.Rate, d.P99) + d.Spare, Load: d.Rate / (float64(nodes) * n.Capacity()), Outcome: best,
	}, nil
}

// Line returns the straight line that the costs are nearest to: what a batch costs whatever its size, and each image. It goes through
// the smallest size and the largest that is used.
func (n Node) Line() (batch, image time.Duration) {
	first := n.Costs[0].Size
	if n.MaxBatch <= first {
		return 0, n.Costs.Of(n.MaxBatch) / time.Duration(n.MaxBatch)
	}
	image = (n.Costs.Of(n.MaxBatch) - n.Costs.Of(first)) / time.Duration(n.MaxBatch-first)
	return max(0, n.Costs.Of(first)-image*time.Duration(first)), image
}

// Load returns up to which share of its capacity a node keeps a p99 by the rule of thumb; below 0 it never does. A batch costs a and
// each image in it b (Line).
//
// Under a load ρ = λb the batch grows until it takes what comes meanwhile, so a run lasts T = a + bλT = a/(1-ρ). An image waits for
// the rest of the run that it finds, and then for its own: 2T at most. That is the mean; chance adds a queue like that of
// single images, M/D/1, whose waiting time falls off as e^(-2(1-ρ)t/b) in heavy traffic (Kingman), of which 1 in 100 exceeds
// b·ln(100)/(2(1-ρ)) = 2.3b/(1-ρ). Together p99 = (2a + 2.3b)/(1-ρ). A node has R runners, which make a run R times as long as
// the share of an image in the node's time.
func (n Node) Load(p99 time.Duration) float64 {
	a, b := n.Line()
	return 1 - (2*a.Seconds()+math.Log(100)/2*b.Seconds())/p99.Seconds()
}

// Rule returns the number of nodes by the rule of thumb: each is loaded up to Load. It is 0 where the rule has no answer.
func (n Node) Rule(rate float64, p99 time.Duration) int {
	load := n.Load(p99)
	if load <= 0 {
		return 0
	}
	return int(math.Ceil(rate / (load * n.Capacity())))
}
