package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/torchlit/torchlit/bench"
)

// benchLine is the line on a terminal that says how a run fares.
type benchLine struct {
	out      *os.File // nil when it is no terminal
	shown    bool
	headline string
}

func newBenchLine(out *os.File) *benchLine {
	if !term.IsTerminal(int(out.Fd())) {
		return &benchLine{}
	}
	return &benchLine{out: out}
}

func (l *benchLine) show(p bench.Progress) {
	if l.out == nil {
		return
	}
	l.shown = true
	fmt.Fprintf(l.out, "\r\x1b[K%s%s", l.headline, progressText(p))
}

func progressText(p bench.Progress) string {
	if !p.Warm {
		return fmt.Sprintf("warming up  %s of %s", p.Elapsed.Round(time.Second), p.Of)
	}
	bad := ""
	if p.Bad > 0 {
		bad = fmt.Sprintf("  %s not answered/s", figure(p.Bad))
	}
	return fmt.Sprintf("%s of %s  %s answers/s  p50 %s ms  p99 %s ms%s",
		p.Elapsed.Round(time.Second), p.Of, figure(p.Requests), millis(p.P50), millis(p.P99), bad)
}

// clear takes the line away.
func (l *benchLine) clear() {
	if l.shown {
		fmt.Fprint(l.out, "\r\x1b[K")
		l.shown = false
	}
}

func millis(d time.Duration) string { return figure(float64(d) / float64(time.Millisecond)) }

// figure writes a number with three figures at least, and no more than are of use.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	case v == 0:
		return "0"
	}
	return fmt.Sprintf("%.3f", v)
}

func percent(share float64) string {
	switch {
	case share == 0 || share == 1:
		return fmt.Sprintf("%.0f %%", 100*share)
	case share > 0.999 || share < 0.001:
		return fmt.Sprintf("%.3f %%", 100*share)
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}

// printBench writes a result for people.
func printBench(out io.Writer, r *bench.Result, sent string) error {
	printConditions(out, r, sent)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "answers\t%s requests/s\t%s images/s\n", figure(r.RequestsPerSecond), figure(r.ImagesPerSecond))
	if r.Deadline > 0 {
		fmt.Fprintf(w, "in time\t%s requests/s\t%s of those not refused\n", figure(r.Goodput), percent(r.InTime))
	}
	fmt.Fprintf(w, "refused\t%s\t%d of %d requests\n", percent(r.Refused.Share), r.Refused.Count, r.Requests)
	if r.Expired.Count > 0 {
		fmt.Fprintf(w, "expired\t%s\t%d, as the server says\n", percent(r.Expired.Share), r.Expired.Count)
	}
	fmt.Fprintf(w, "errors\t%d\t%s\n", r.Errors, kindsInWords(r.ErrorsByKind))
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := printLatencies(out, r); err != nil {
		return err
	}
	if r.ClientLimited {
		fmt.Fprintf(out, "\nThe client was the limit: %s.\n", r.Why)
	}
	return nil
}

func printConditions(out io.Writer, r *bench.Result, sent string) {
	t := r.Target
	server := t.URL
	if t.Server != "" {
		server += " (" + t.Server + ")"
	}
	what := t.Protocol + ", " + sent
	if t.Input != bench.Image {
		what = t.Protocol + ", " + t.Input
	}
	if t.Batch > 1 {
		what += fmt.Sprintf(", %d a request", t.Batch)
	}
	fmt.Fprintf(out, "%s, %s\n", server, what)
	if r.Mode == "open" {
		fmt.Fprintf(out, "open loop: %s requests/s, %s arrivals, up to %d at once, %s s\n", figure(r.Rate), r.Arrivals, r.Client.Connections, figure(r.Duration))
	} else {
		fmt.Fprintf(out, "closed loop: %d clients, %s s\n", r.Clients, figure(r.Duration))
	}
	if r.Interrupted {
		fmt.Fprintln(out, "interrupted: these are the figures until then")
	}
	fmt.Fprintln(out)
}

func kindsInWords(kinds map[string]int64) string {
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		words = append(words, fmt.Sprintf("%d %s", kinds[kind], strings.ReplaceAll(kind, "_", " ")))
	}
	return strings.Join(words, ", ")
}

func printLatencies(out io.Writer, r *bench.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "ms\tmean\tp50\tp90\tp99\tp99.9\tmax\t")
	row := func(name string, q *bench.Quantiles) {
		if q == nil {
			return
		}
		fmt.Fprintf(w, "%s\t", name)
		for _, v := range []float64{q.Mean, q.P50, q.P90, q.P99, q.P999, q.Max} {
			fmt.Fprintf(w, "%s\t", figure(v))
		}
		fmt.Fprintln(w)
	}
	row("latency", r.Latency)
	row("refusals", r.Refused.Latency)
	row("expiries", r.Expired.Latency)
	row("sent late", r.Client.Lag)
	return w.Flush()
}
