package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
)

// setup is a machine, what comes to it, and what the models of other batchers wait for.
type setup struct {
	costs, trace    string
	deadline, delay time.Duration
	maxBatch        int
	noise           float64
}

// sweep is what became of one policy's callers, by load.
type sweep struct {
	policy   string
	capacity float64 // of the machine, items a second
	outcomes []sim.Outcome
}

// sweep plays the trace at each of the loads, given as shares of the machine's capacity, with every policy.
func (s setup) sweep(loads []float64) ([]sweep, error) {
	costs, err := sim.ReadFile(s.costs, sim.ReadTable)
	if err != nil {
		return nil, err
	}
	arrivals, err := sim.ReadFile(s.trace, sim.ReadTrace)
	if err != nil {
		return nil, err
	}
	if s.maxBatch < 1 || s.deadline <= 0 || s.delay < 0 || s.noise < 0 {
		return nil, fmt.Errorf("-max-batch and -deadline must be positive, -delay and -noise not negative")
	}
	m := sim.Machine{Costs: costs, MaxBatch: s.maxBatch, Noise: s.noise}
	var sweeps []sweep
	for _, p := range []sim.Policy{
		sim.Ours{}, sim.FixedDelay{Delay: s.delay}, sim.FixedDelay{Delay: s.delay, Tuned: true}, sim.Window{Timeout: s.delay}, sim.Single{},
	} {
		w := sweep{policy: p.Name(), capacity: m.Capacity()}
		for _, load := range loads {
			l := sim.Load{Arrivals: sim.AtRate(arrivals, load*m.Capacity()), Deadline: s.deadline}
			inFakeTime(func() { w.outcomes = append(w.outcomes, p.Serve(m, l)) })
		}
		sweeps = append(sweeps, w)
	}
	return sweeps, nil
}

// printTable prints a line for each policy and load.
func printTable(out io.Writer, sweeps []sweep, loads []float64) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s\t\n", strings.Join([]string{"load", "policy", "in time", "in vain", "refused", "p50", "p99", "of capacity", "batch"}, "\t"))
	for i, load := range loads {
		for _, s := range sweeps {
			o := &s.outcomes[i]
			all := float64(o.Offered)
			fmt.Fprintf(w, "%.1f\t%s\t%.1f %%\t%.1f %%\t%.1f %%\t%s\t%s\t%.2f\t%.1f\t\n", load, s.policy,
				100*float64(o.Good)/all, 100*float64(o.Late)/all, 100*float64(o.Refused)/all,
				milliseconds(o.Quantile(.5)), milliseconds(o.Quantile(.99)), o.Goodput()/s.capacity, float64(len(o.Latencies))/float64(max(1, o.Runs)))
		}
	}
	return w.Flush()
}

func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
