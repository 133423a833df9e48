package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/torchlit/torchlit/batching/sim"
	"github.com/torchlit/torchlit/batching/sim/fleet"
)

const (
	docsFolder = "docs/source"
	page       = "capacity.md"
)

// measured are the nodes of docs/source/capacity.md: costs, and the share of them that the server keeps (docs/source/benchmarks.md).
var measured = []struct {
	name  string
	share float64
}{{"fp32", 0.80}, {"bf16", 0.78}, {"int8", 0.69}}

const (
	largest = 9    // batch: what torchlit serve takes on CPUs at 224 pixels
	spread  = 0.03 // of run times, as in docs/source/batching.md
)

func measuredNode(i int) (fleet.Node, error) {
	m := measured[i]
	return readNode(filepath.Join(profiles, "epyc2-"+m.name+".csv"), m.share, largest, spread)
}

// part is a block of the page that the program writes, between <!-- begin: fleetsim NAME --> and <!-- end -->.
type part struct {
	name string
	text bytes.Buffer
}

// writeDocs writes the blocks of the page and its figures.
func writeDocs(folder string) error {
	fp32, err := measuredNode(0)
	if err != nil {
		return err
	}
	const deadline = time.Second
	t := defaultTimes()
	parts := []*part{{name: "plan"}, {name: "load"}, {name: "step"}, {name: "loss"}, {name: "update"}, {name: "day"}}
	if err := planTable(&parts[0].text); err != nil {
		return err
	}
	curves := loadCurves(fp32)
	step := threefold(t, fp32, 4, usual, deadline)
	lost := loss(t, fp32, 8, 2, 0.8, deadline)
	updates := update(t, fp32, 8, 0.8, deadline)
	days := day(t, fp32, 150, 900, usual, deadline)
	loadTable(&parts[1].text, fp32, curves)
	for i, vs := range [][]variant{step, lost, updates, days} {
		markdown(&parts[2+i].text, vs)
	}
	for name, draw := range map[string]func() ([]byte, error){
		"load": func() ([]byte, error) { return drawLoad(fp32, curves) },
		"step": func() ([]byte, error) {
			return drawTimeline("Three times the rate after two minutes: fp32, 4 nodes, a start takes 86 s", step, 1400, 26, 12, 4)
		},
		"loss": func() ([]byte, error) {
			return drawTimeline("Two of eight nodes are lost after two minutes", lost, 1200, 12, 8, 2)
		},
		"day": func() ([]byte, error) {
			return drawTimeline("Two hours in place of a day, with bursts", days, 1300, 10, 120, 2)
		},
	} {
		svg, err := draw()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, "fleet-"+name+".svg"), svg, 0o644); err != nil {
			return err
		}
	}
	for _, p := range parts {
		if err := sim.FillPage(filepath.Join(folder, page), "<!-- begin: fleetsim "+p.name+" -->", p.text.String()); err != nil {
			return err
		}
	}
	return nil
}

// usual is the share of its capacity that the page's autoscalers keep a node at.
const usual = 0.6

// planTable writes how many nodes rates take.
func planTable(out *bytes.Buffer) error {
	targets := []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond}
	fmt.Fprint(out, "| precision | images/s |")
	for _, p99 := range targets {
		fmt.Fprintf(out, " nodes for a p99 of %s | of capacity | by the rule |", milliseconds(p99))
	}
	fmt.Fprintln(out, " node-hours a million images |\n| --- | ---: |"+strings.Repeat(" ---: |", 3*len(targets)+1))
	for i, m := range measured {
		n, err := measuredNode(i)
		if err != nil {
			return err
		}
		for _, rate := range []float64{50, 200, 500, 1000, 2000, 5000} {
			fmt.Fprintf(out, "| %s | %.0f |", m.name, rate)
			hours := ""
			for _, p99 := range targets {
				p, err := fleet.PlanFor(n, fleet.Demand{Rate: rate, P99: p99, Deadline: time.Second})
				if err != nil {
					return err
				}
				fmt.Fprintf(out, " **%d** | %.0f %% | %d |", p.Nodes, 100*p.Load, p.Rule)
				if p99 == 100*time.Millisecond {
					hours = fmt.Sprintf(" %.2f |", million(p.Nodes, rate))
				}
			}
			fmt.Fprintln(out, hours)
		}
	}
	return nil
}

// curve is the p99 against the load, of so many nodes.
type curve struct {
	name  string
	node  fleet.Node
	nodes int
	p99   []time.Duration
}

var loads = []float64{0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.96}

func loadCurves(n fleet.Node) []curve {
	curves := []curve{{"1 node", n, 1, nil}, {"4 nodes", n, 4, nil}, {"16 nodes", n, 16, nil}, {"4 nodes, each with two runners of half the speed", inTwo(n), 4, nil}}
	for i := range curves {
		c := &curves[i]
		for _, load := range loads {
			rate := load * c.node.Capacity() * float64(c.nodes)
			lasts := time.Duration(60_000 / rate * float64(time.Second))
			o := fleet.Run(fleet.Config{
				Node: c.node, Nodes: c.nodes, Lasts: lasts, Warmup: lasts / 10, Deadline: time.Second, Seed: 1,
				Arrivals: fleet.Poisson(fleet.Steady(rate), rate, lasts, 1),
			})
			c.p99 = append(c.p99, o.Quantile(.99))
		}
	}
	return curves
}

// ruleP99 is the rule of thumb the other way round: the p99 at a load.
func ruleP99(n fleet.Node, load float64) time.Duration {
	const any = time.Second
	return time.Duration((1 - n.Load(any)) / (1 - load) * float64(any))
}

func loadTable(out *bytes.Buffer, n fleet.Node, curves []curve) {
	shown := []int{3, 5, 7, 9, 11}
	fmt.Fprint(out, "| p99 at a load of |")
	for _, i := range shown {
		fmt.Fprintf(out, " %.0f %% |", 100*loads[i])
	}
	fmt.Fprintln(out, "\n| --- |"+strings.Repeat(" ---: |", len(shown)))
	for _, c := range curves {
		fmt.Fprintf(out, "| %s |", c.name)
		for _, i := range shown {
			fmt.Fprintf(out, " %s |", milliseconds(c.p99[i]))
		}
		fmt.Fprintln(out)
	}
	fmt.Fprint(out, "| the rule of thumb |")
	for _, i := range shown {
		fmt.Fprintf(out, " %s |", milliseconds(ruleP99(n, loads[i])))
	}
	fmt.Fprintln(out)
}
