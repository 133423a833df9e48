// Package fleet plays arrivals against a fleet of servers: nodes that batch and refuse as package batching does, a balancer before
// them, an autoscaler that adds and takes away, and what goes wrong. It says what callers got and what was paid for.
//
//	arrivals ──▶ Balancer ─┬▶ node: door ▶ line ▶ batches ──▶ answers
//	                       ├▶ node …                │
//	                       └▶ (nodes that start)    └ Metric ──▶ Scaler ──▶ orders, drains
//
// It is a simulation of discrete events in time that it keeps itself: the same configuration gives the same result, and an hour of
// a thousand requests a second takes seconds.
//
// # What a node is
//
// Its costs are measured (Profile). It takes whatever waits when a runner is free, in the order of arrival, up to MaxBatch. Its door
// runs the line in thought, as package batching's does, and refuses what would be late or finds no place. It is simpler than the
// batcher: all requests have the same deadline and priority, a batch is not cut for an urgent one, and the costs are known and not
// learned. sim_test.go holds it to the batcher itself on the same traces. With MaxBatch 1 it is one of the queues that queueing
// theory has formulas for, and is held to those.
//
// # What a fleet is
//
// Requests are images. A caller that is refused or fails does not come again. The way between balancer and node takes no time, and
// the balancer knows at once what is under way, as a single balancer does; several that know only their own share are nearer to
// RandomTwo or Random. A node that is lost without notice is a hole until the balancer's health checks find out: what is sent there
// fails at its deadline.
package fleet

import (
	"iter"
	"time"
)

// Config is a fleet and what happens to it. Moments are since the beginning.
type Config struct {
	Node     Node
	Nodes    int                     // ready at the beginning
	Arrivals iter.Seq[time.Duration] // rising
	Lasts    time.Duration           // arrivals from then on do not count, and nodes are paid for until then
	Warmup   time.Duration           // what comes before does not count
	Deadline time.Duration           // how long each caller waits; 0: for ever
	Balancer Balancer                // nil: LeastOutstanding
	Health   Health
	Start    Start
	Scaler   *Scaler // nil: the size stays as it is, and a lost node is replaced
	Losses   []Loss
	Updates  []Update
	Step     time.Duration // of Outcome.Series; 0: there is none
	Seed     uint64
}

// Health is how the balancer finds out about nodes: by a request every so often.
type Health struct {
	Every     time.Duration
	Unhealthy int // so many bad answers in a row take a node away
	Healthy   int // so many good ones bring it back
}

// Start is what passes between the order of a node and its readiness; the balancer's health checks come on top.
type Start struct {
	Boot   time.Duration // of the machine
	Pull   time.Duration // of the image
	Load   time.Duration // of the model
	Spread float64       // standard deviation of the logarithm of their sum
}

// Loss is nodes that go at once.
type Loss struct {
	At     time.Duration
	Nodes  int
	Notice time.Duration // between the notice, at At, and the end; 0: there is none. A node that has it drains
}

// Update replaces all nodes, as a Deployment or a managed instance group does.
type Update struct {
	At          time.Duration
	Surge       int // so many more than wanted there may be
	Unavailable int // so many fewer than wanted may be ready
}
