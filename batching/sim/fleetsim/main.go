// Fleetsim says how many servers a rate of images takes, from measured costs, and plays what can happen to them: docs/source/capacity.md.
//
//	go run ./batching/sim/fleetsim --rate 500 --p99 100ms                          on the nodes of that page
//	go run ./batching/sim/fleetsim --rate 500 --p99 100ms --profile mine.json      on your own
//	go run ./batching/sim/fleetsim --rate 500 --p99 100ms --play step              and what a threefold rate does to them
//	go run ./batching/sim/fleetsim --docs                                          the page's tables and figures anew
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
	"github.com/torchlit/torchlit/batching/sim/fleet"
)

func main() {
	if err := start(os.Args[1:], os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "fleetsim:", err)
		os.Exit(1)
	}
}

// setup is what was asked for.
type setup struct {
	profile, trace, play string
	share, noise         float64
	maxBatch             int
	usual, price         float64
	demand               fleet.Demand
	times                times
}

func start(args []string, out io.Writer) error {
	s := setup{times: defaultTimes()}
	flags := flag.NewFlagSet("fleetsim", flag.ContinueOnError)
	flags.Float64Var(&s.demand.Rate, "rate", 0, "images a second at the busiest")
	flags.DurationVar(&s.demand.P99, "p99", 100*time.Millisecond, "99 of 100 images are to be answered within it")
	flags.DurationVar(&s.demand.Deadline, "deadline", 0, "of each request: what cannot keep it is refused (default: four times --p99)")
	flags.IntVar(&s.demand.Spare, "spare", 1, "so many nodes may be missing")
	flags.StringVar(&s.profile, "profile", profiles+"/epyc2-fp32.csv",
		"measured costs: lines of size,seconds, or what torchlit bench --engine --batch N --json printed for several N")
	flags.Float64Var(&s.share, "share", 0.8, "of its bare engine's speed that the server keeps, decoding included (make bench-server); 1 for costs of a server")
	flags.IntVar(&s.maxBatch, "max-batch", 9, "the largest batch of torchlit serve (--max-batch-size): 9 on CPUs at 224 pixels, 128 on GPUs")
	flags.Float64Var(&s.noise, "noise", 0.03, "spread of run times, as a share of them")
	flags.Float64Var(&s.price, "price", 0, "of a node, an hour, in any currency")
	flags.StringVar(&s.play, "play", "", "also play: step (a threefold rate), loss, update, day, or trace (with --trace)")
	flags.StringVar(&s.trace, "trace", "", "with --play trace: moments of arrivals, as batchsim -record makes them of an access log")
	flags.Float64Var(&s.usual, "usual", 0.6, "with --play: the share of its capacity that an autoscaler keeps a node at")
	flags.DurationVar(&s.times.boot, "boot", s.times.boot, "with --play: until a machine that was ordered runs")
	flags.DurationVar(&s.times.pull, "pull", s.times.pull, "with --play: until the image is there")
	flags.DurationVar(&s.times.load, "load", s.times.load, "with --play: until the model is loaded")
	docs := flags.Bool("docs", false, "write the tables and figures of docs/source/capacity.md, and do nothing else")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("cannot use %q: there are flags only; see --help", flags.Args())
	case *docs:
		return writeDocs(docsFolder)
	case s.demand.Rate <= 0:
		return errors.New("--rate is missing: how many images a second come at the busiest? See --help")
	case s.share <= 0 || s.share > 1 || s.noise < 0 || s.usual <= 0 || s.usual > 1 || s.maxBatch < 1:
		return errors.New("--share and --usual are above 0 and at most 1, --max-batch is at least 1, --noise not negative")
	case s.times.boot < 0 || s.times.pull < 0 || s.times.load < 0:
		return errors.New("--boot, --pull and --load are not negative")
	}
	n, err := readNode(s.profile, s.share, s.maxBatch, s.noise)
	if err != nil {
		return err
	}
	return s.answer(n, out)
}

const profiles = "batching/sim/fleet/testdata"

func readNode(name string, share float64, maxBatch int, noise float64) (fleet.Node, error) {
	n, err := sim.ReadFile(name, fleet.ReadProfile)
	n.MaxBatch, n.Noise = maxBatch, noise
	return n.Slower(share), err
}

// answer prints the plan, and what is played.
func (s setup) answer(n fleet.Node, out io.Writer) error {
	p, err := fleet.PlanFor(n, s.demand)
	if err != nil {
		return err
	}
	d := s.demand
	fmt.Fprintf(out, "a node      %.0f images/s at most, batches of up to %d\n", n.Capacity(), n.MaxBatch)
	fmt.Fprintf(out, "nodes       %d for %.0f images/s, %d of them to spare\n", p.Nodes, d.Rate, d.Spare)
	fmt.Fprintf(out, "without     p50 %s, p99 %s at %.0f %% of their capacity; refused %s\n", milliseconds(p.Outcome.Quantile(.5)),
		milliseconds(p.Outcome.Quantile(.99)), 100*p.Load, percent(float64(p.Outcome.Refused)/float64(p.Outcome.Offered)))
	if p.Rule > d.Spare {
		fmt.Fprintf(out, "rule        %d nodes, each used to %.0f %%\n", p.Rule, 100*n.Load(d.P99))
	}
	fmt.Fprintf(out, "a million   %.2f node-hours, if the rate is always that high", million(p.Nodes, d.Rate))
	if s.price > 0 {
		fmt.Fprintf(out, ": %.2f at %g an hour", s.price*million(p.Nodes, d.Rate), s.price)
	}
	fmt.Fprintln(out)
	if s.play == "" {
		return nil
	}
	vs, err := s.playWith(n, p)
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	return plain(out, vs)
}

func (s setup) playWith(n fleet.Node, p fleet.Plan) ([]variant, error) {
	deadline := s.demand.Deadline
	if deadline == 0 {
		deadline = 4 * s.demand.P99
	}
	nodes := p.Nodes - s.demand.Spare
	switch s.play {
	case "step":
		return threefold(s.times, n, max(1, int(s.demand.Rate/3/s.usual/n.Capacity()+0.5)), s.usual, deadline), nil
	case "loss":
		return loss(s.times, n, nodes, max(1, s.demand.Spare), min(1, p.Load), deadline), nil
	case "update":
		return update(s.times, n, nodes, min(1, p.Load), deadline), nil
	case "day":
		return day(s.times, n, s.demand.Rate/6, s.demand.Rate/1.3, s.usual, deadline), nil
	case "trace":
		if s.trace == "" {
			return nil, errors.New("--play trace needs --trace: make one of an access log by go run ./batching/sim/batchsim -record access.log")
		}
		trace, err := sim.ReadFile(s.trace, sim.ReadTrace)
		if err != nil {
			return nil, err
		}
		return recorded(s.times, n, trace, s.demand.Rate, nodes, deadline)
	}
	return nil, fmt.Errorf("cannot play %q: want step, loss, update, day or trace", s.play)
}
