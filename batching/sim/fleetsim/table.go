package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/torchlit/torchlit/batching/sim/fleet"
)

// row is what is said of a variant.
func row(v variant) []string {
	o := v.outcome
	most := 0
	for _, m := range o.Series {
		most = max(most, m.Paid)
	}
	share := func(n int) string { return percent(float64(n) / float64(max(1, o.Offered))) }
	return []string{
		v.name, share(o.Good), share(o.Refused), share(o.Failed + o.Late), milliseconds(o.Quantile(.5)), milliseconds(o.Quantile(.99)),
		fmt.Sprintf("%d", most), fmt.Sprintf("%.2f", o.NodeHours), fmt.Sprintf("%.2f", o.NodeHours/float64(max(1, o.Good))*1e6),
	}
}

var columns = []string{"", "in time", "refused", "failed or late", "p50", "p99", "nodes at most", "node-hours", "a million answers"}

// markdown writes a table of variants.
func markdown(out io.Writer, vs []variant) {
	fmt.Fprintln(out, "| "+strings.Join(columns, " | ")+" |")
	fmt.Fprintln(out, "| --- "+strings.Repeat("| ---: ", len(columns)-1)+"|")
	for _, v := range vs {
		fmt.Fprintln(out, "| "+strings.Join(row(v), " | ")+" |")
	}
}

// plain writes the same for a terminal.
func plain(out io.Writer, vs []variant) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, strings.Join(columns, "\t")+"\t")
	for _, v := range vs {
		fmt.Fprintln(w, strings.Join(row(v), "\t")+"\t")
	}
	return w.Flush()
}

func percent(share float64) string {
	p := 100 * share
	switch {
	case p > 0 && p < 0.01:
		return "<0.01 %"
	case p > 99.99 && p < 100:
		return ">99.99 %"
	}
	return fmt.Sprintf("%.2f %%", p)
}

func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// million is how many node-hours a million images take, at a rate that nodes serve together.
func million(nodes int, rate float64) float64 { return float64(nodes) / rate * 1e6 / 3600 }

// inTwo returns the node with two runners, each half as fast: what a server on two CPUs is while both compute.
func inTwo(n fleet.Node) fleet.Node {
	n = n.Slower(0.5)
	n.Runners = 2
	return n
}
