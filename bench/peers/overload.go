package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/torchlit/torchlit/bench"
)

// overload asks for more than can be served: an open loop at a multiple of the capacity, which is what a closed loop gets, before and
// after. Both are of one process, in turns.
type overload struct {
	*settings
	model    string
	times    float64
	deadline time.Duration
}

func (o *overload) register(flags *flag.FlagSet) {
	flags.StringVar(&o.model, "model", "", "model folder (default: the bundled model)")
	flags.Float64Var(&o.times, "times", 2, "the load, as a multiple of the capacity")
	flags.DurationVar(&o.deadline, "deadline", time.Second, "of each request")
}

// overloaded are the figures. Shares are of 1, times in ms.
type overloaded struct {
	Times      float64         `json:"load_over_capacity"`
	Deadline   float64         `json:"deadline_ms"`
	Capacities []*bench.Result `json:"capacity"` // closed loops: before each overload, and after the last
	Overloads  []*bench.Result `json:"overload"` // open loops
	Goodput    spread          `json:"goodput_over_capacity"`
	InTime     spread          `json:"admitted_in_time"`
	RefusalP50 spread          `json:"refusal_p50_ms"`
	RefusalP99 spread          `json:"refusal_p99_ms"`
	RefusalMax spread          `json:"refusal_max_ms"`
}

// The goals.
const (
	goodputGoal = 0.95
	inTimeGoal  = 0.99
	refusalGoal = 5.0 // ms
)

func (o *overload) run(ctx context.Context, _ string) (any, error) {
	if o.times <= 1 || o.deadline <= 0 {
		return nil, fmt.Errorf("cannot overload with --times %v and --deadline %s: the first must be above 1, the other positive", o.times, o.deadline)
	}
	p, err := o.startTorchlit(ctx, o.model)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	f := &overloaded{Times: o.times, Deadline: float64(o.deadline.Milliseconds())}
	for round := range o.rounds + 1 {
		fmt.Fprintf(os.Stderr, "peers: capacity\n")
		r, err := o.closedLoop(ctx, p)
		if err != nil {
			return nil, err
		}
		f.Capacities = append(f.Capacities, r)
		if round == o.rounds {
			break
		}
		fmt.Fprintf(os.Stderr, "peers: %.3g images/s; round %d of %d with %v times as many\n", r.ImagesPerSecond, round+1, o.rounds, o.times)
		rate := strconv.FormatFloat(o.times*r.ImagesPerSecond, 'f', 2, 64)
		if r, err = o.load(ctx, p, "--rate", rate, "--deadline", o.deadline.String()); err != nil {
			return nil, err
		}
		if r.Errors > 0 {
			return nil, fmt.Errorf("%d requests failed under overload: %v", r.Errors, r.ErrorsByKind)
		}
		f.Overloads = append(f.Overloads, r)
	}
	f.sumUp()
	if err := f.print(); err != nil {
		return nil, err
	}
	return f, o.publish("overload", f.markdown())
}

// sumUp holds each overload against the mean of the capacities before and after it.
func (f *overloaded) sumUp() {
	var goodput, inTime, p50, p99, most []float64
	for i, r := range f.Overloads {
		capacity := (f.Capacities[i].ImagesPerSecond + f.Capacities[i+1].ImagesPerSecond) / 2
		goodput, inTime = append(goodput, r.Goodput/capacity), append(inTime, r.InTime)
		q := r.Refused.Latency
		if q == nil {
			q = new(bench.Quantiles) // nobody was refused
		}
		p50, p99, most = append(p50, q.P50), append(p99, q.P99), append(most, q.Max)
	}
	f.Goodput, f.InTime = spreadOf(goodput), spreadOf(inTime)
	f.RefusalP50, f.RefusalP99, f.RefusalMax = spreadOf(p50), spreadOf(p99), spreadOf(most)
}

func (f *overloaded) print() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "round\tcapacity/s\toffered/s\tgoodput/s\trefused\tlate\tp50 ms\tp99 ms\trefusal p50 ms\tp99 ms\tmax ms\tload tool's CPU\t")
	for i, r := range f.Overloads {
		latency, refusal := quantilesOr(r.Latency), quantilesOr(r.Refused.Latency)
		fmt.Fprintf(w, "%d\t%.1f\t%.1f\t%.1f\t%.1f %%\t%.2f %%\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.0f %%\t\n", i+1, f.Capacities[i].ImagesPerSecond, r.Rate, r.Goodput,
			100*r.Refused.Share, 100*(1-r.InTime), latency.P50, latency.P99, refusal.P50, refusal.P99, refusal.Max, 100*r.Client.CPU)
	}
	fmt.Fprintf(w, "\n")
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("At %v times the capacity, with a deadline of %v ms:\n", f.Times, f.Deadline)
	fmt.Printf("Goodput over capacity: %s. %s.\n", f.Goodput, verdict(f.Goodput.Median >= goodputGoal, "At least 0.95"))
	fmt.Printf("Admitted requests in time: %s. %s.\n", f.InTime, verdict(f.InTime.Median >= inTimeGoal, "At least 0.99"))
	fmt.Printf("Refusals at the 99th percentile: %s ms. %s.\n", f.RefusalP99, verdict(f.RefusalP99.Median < refusalGoal, "Less than 5 ms"))
	for i, r := range f.Overloads {
		if r.ClientLimited {
			fmt.Printf("Round %d: %s.\n", i+1, r.Why)
		}
	}
	return nil
}

// markdown is the part of docs/source/benchmarks.md.
func (f *overloaded) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", origin(f.Capacities[0].Began, f.Capacities[0].Machine, commandLine()))
	fmt.Fprintf(&b, "| load over capacity | deadline | goodput over capacity | admitted in time | refusals, p99 |\n| --- | --- | --- | --- | --- |\n")
	fmt.Fprintf(&b, "| %v | %v ms | **%s** | %s | %s ms |\n", f.Times, f.Deadline, f.Goodput.rounded(), f.InTime.rounded(), f.RefusalP99.rounded())
	return b.String()
}

func quantilesOr(q *bench.Quantiles) bench.Quantiles {
	if q == nil {
		return bench.Quantiles{}
	}
	return *q
}
