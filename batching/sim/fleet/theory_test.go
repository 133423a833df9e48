//go:build !race

// Millions of requests, all in one goroutine: the race detector has nothing to see here.

package fleet

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
)

// queue is a fleet of nodes that do one request after another, each in 10 ms in the mean.
func queue(nodes, runners int, load float64, b Balancer, vary func(time.Duration, *rand.Rand) time.Duration) Config {
	const service = 10 * time.Millisecond
	rate := load * float64(nodes*runners) / service.Seconds()
	lasts := time.Duration(2e5 / rate * float64(time.Second))
	return Config{
		Node: Node{
			Costs: sim.Table{{Size: 1, Took: service}}, MaxBatch: 1, Runners: runners, MaxQueue: math.MaxInt, vary: vary,
		},
		Nodes: nodes, Balancer: b, Warmup: lasts / 50, Lasts: lasts, Arrivals: Poisson(Steady(rate), rate, lasts, 7), Seed: 1,
	}
}

func exponential(mean time.Duration, rnd *rand.Rand) time.Duration {
	return time.Duration(rnd.ExpFloat64() * float64(mean))
}

// erlangC is the probability that a request waits in M/M/c, at an offered load of a = λ/μ (Erlang 1917).
func erlangC(c int, a float64) float64 {
	b := erlangB(c, a)
	rho := a / float64(c)
	return b / (1 - rho + rho*b)
}

// erlangB is the probability that a request finds all of c servers busy where none may wait.
func erlangB(c int, a float64) float64 {
	b := 1.0
	for k := 1; k <= c; k++ {
		b = a * b / (float64(k) + a*b)
	}
	return b
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	t.Logf("%s: %.4g, by the formula %.4g (%+.1f %%)", what, got, want, 100*(got/want-1))
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s: got %.4g, want %.4g within %.0f %%", what, got, want, 100*tolerance)
	}
}

// A node with c runners and exponential times is M/M/c: the mean wait is C/(cμ-λ), and a wait beyond t has the probability C·e^-(cμ-λ)t.
func TestErlangC(t *testing.T) {
	for _, c := range []int{1, 2, 8} {
		for _, load := range []float64{0.5, 0.8} {
			o := Run(queue(1, c, load, nil, exponential))
			mu := 100.0
			lambda := load * float64(c) * mu
			wait := erlangC(c, lambda/mu) / (float64(c)*mu - lambda)
			near(t, "mean time in M/M/c", o.Mean().Seconds(), wait+1/mu, 0.03)
			near(t, "utilization", o.Busy, load, 0.01)
		}
	}
	// The tail, by the formula for the time in an M/M/1, which is exponential itself.
	o := Run(queue(1, 1, 0.8, nil, exponential))
	near(t, "p99 of the time in M/M/1", o.Quantile(0.99).Seconds(), math.Log(100)/(100*0.2), 0.05)
}

// Where none may wait, M/M/c refuses by Erlang's other formula.
func TestErlangB(t *testing.T) {
	for _, c := range []int{2, 10} {
		for _, load := range []float64{0.6, 1, 1.5} {
			cfg := queue(1, c, load, nil, exponential)
			cfg.Node.MaxQueue = -1 // 0 is the default
			o := Run(cfg)
			near(t, "refused by M/M/c/c", float64(o.Refused)/float64(o.Offered), erlangB(c, load*float64(c)), 0.03)
		}
	}
}

// Fixed times and arrivals dealt out by dice make each node M/D/1: the mean wait is ρ/(2μ(1-ρ)) (Pollaczek and Khinchine), and its
// distribution is Crommelin's: P(W ≤ t) = (1-ρ) Σ (-1)^k/k! (λt-kρ)^k e^(λt-kρ), k to ⌊μt⌋.
func TestPollaczekKhinchine(t *testing.T) {
	for _, load := range []float64{0.5, 0.8, 0.9} {
		o := Run(queue(4, 1, load, Random{}, nil))
		near(t, "mean time in M/D/1", o.Mean().Seconds(), 0.01+load/(2*100*(1-load)), 0.03)
		wait := o.Quantile(0.95) - 10*time.Millisecond
		near(t, "M/D/1's share within the simulated p95", crommelin(load, wait.Seconds()/0.01), 0.95, 0.005)
	}
}

// crommelin is the share of requests that wait no longer than so many times of service.
func crommelin(rho, times float64) float64 {
	sum, factorial := 0.0, 1.0
	for k := 0; k <= int(times); k++ {
		if k > 0 {
			factorial *= float64(k)
		}
		x := rho * (times - float64(k))
		sum += math.Pow(-x, float64(k)) / factorial * math.Exp(x)
	}
	return (1 - rho) * sum
}

// Dealt out in turns, what comes to a node is every nth arrival: E_n/M/1, in which the time is exponential with the rate μ(1-σ),
// where σ = (λ/(λ+μ(1-σ)))^n.
func TestRoundRobin(t *testing.T) {
	const n, load, mu = 4, 0.8, 100.0
	lambda, sigma := n*load*mu, 0.5
	for range 1000 {
		sigma = math.Pow(lambda/(lambda+mu*(1-sigma)), n)
	}
	o := Run(queue(n, 1, load, &RoundRobin{}, exponential))
	near(t, "mean time in E4/M/1", o.Mean().Seconds(), 1/(mu*(1-sigma)), 0.03)
}

// The less busy of two, of many nodes: Σ ρ^(2^i-2) times of service, i from 1 (Mitzenmacher 1996; Vvedenskaya and others 1996).
func TestPowerOfTwo(t *testing.T) {
	for _, load := range []float64{0.5, 0.8, 0.9} {
		want := 0.0
		for i := 1; i < 12; i++ {
			want += math.Pow(load, math.Pow(2, float64(i))-2)
		}
		o := Run(queue(200, 1, load, RandomTwo{}, exponential))
		near(t, "mean time with two choices of 200", o.Mean().Seconds(), 0.01*want, 0.03)
	}
}

// Who knows more balances better, and nobody better than one line for all.
func TestBalancersAreInOrder(t *testing.T) {
	const n, load = 8, 0.85
	one := erlangC(n, load*n)/(n*100*(1-load)) + 0.01
	last := one
	for _, b := range []Balancer{&LeastOutstanding{}, RandomTwo{}, &RoundRobin{}, Random{}} {
		mean := Run(queue(n, 1, load, b, exponential)).Mean().Seconds()
		t.Logf("%s: %.2f ms", b.Name(), 1000*mean)
		if mean < last {
			t.Errorf("%s: mean time %.2f ms; want more than %.2f", b.Name(), 1000*mean, 1000*last)
		}
		last = mean
	}
}
