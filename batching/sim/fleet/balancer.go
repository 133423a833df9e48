package fleet

import "math/rand/v2"

// Balancer chooses who gets the next request.
type Balancer interface {
	Name() string
	// pick returns an index below n; outstanding tells how many requests are under way at each.
	pick(n int, outstanding func(i int) int, rnd *rand.Rand) int
}

// RoundRobin goes round: the default of nginx and of Kubernetes' ipvs.
type RoundRobin struct{ next int }

// Name implements Balancer.
func (*RoundRobin) Name() string { return "round robin" }

func (b *RoundRobin) pick(n int, _ func(int) int, _ *rand.Rand) int {
	b.next++
	return b.next % n
}

// Random throws dice: Kubernetes' iptables, or many balancers that do not know of each other.
type Random struct{}

// Name implements Balancer.
func (Random) Name() string { return "random" }

func (Random) pick(n int, _ func(int) int, rnd *rand.Rand) int { return rnd.IntN(n) }

// RandomTwo throws dice twice and takes the one with less under way: Envoy's least request, nginx' random two.
type RandomTwo struct{}

// Name implements Balancer.
func (RandomTwo) Name() string { return "less busy of two" }

func (RandomTwo) pick(n int, outstanding func(int) int, rnd *rand.Rand) int {
	if n == 1 {
		return 0
	}
	a, b := rnd.IntN(n), rnd.IntN(n-1)
	if b >= a {
		b++ // two that differ
	}
	if outstanding(b) < outstanding(a) {
		return b
	}
	return a
}

// LeastOutstanding takes the one with the least under way, and goes round among equals: HAProxy's leastconn.
type LeastOutstanding struct{ next int }

// Name implements Balancer.
func (*LeastOutstanding) Name() string { return "least outstanding" }

func (b *LeastOutstanding) pick(n int, outstanding func(int) int, _ *rand.Rand) int {
	b.next++
	best, least := 0, -1
	for k := range n {
		i := (b.next + k) % n
		if o := outstanding(i); least < 0 || o < least {
			best, least = i, o
		}
	}
	return best
}
