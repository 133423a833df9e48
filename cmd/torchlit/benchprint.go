package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
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
	headline string // before what a run reports
}

// newBenchLine takes nil for no terminal.
func newBenchLine(out *os.File) *benchLine {
	if out == nil || !term.IsTerminal(int(out.Fd())) {
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

// trying says which rate of a search comes next.
func (l *benchLine) trying(rate float64) {
	l.headline = figure(rate) + " requests/s?  "
	if rate == 0 {
		l.headline = "one client alone  "
	}
}

// tried leaves a line of what came of it.
func (l *benchLine) tried(s bench.Step) {
	if l.out == nil {
		return
	}
	l.clear()
	fmt.Fprintf(l.out, "%s requests/s: %s\n", figure(s.Rate), verdict(s))
}

func verdict(s bench.Step) string {
	if s.Kept {
		return "kept"
	}
	return "broken: " + s.Why
}

func progressText(p bench.Progress) string {
	if p.Over {
		return "waiting for the last answers"
	}
	if !p.Warm {
		return fmt.Sprintf("warming up  %s of %s", p.Elapsed.Round(time.Second), p.Of.Round(100*time.Millisecond))
	}
	if p.Elapsed < time.Second { // too little to say anything
		return fmt.Sprintf("measuring for %s", p.Of.Round(100*time.Millisecond))
	}
	bad := ""
	if p.Bad > 0 {
		bad = fmt.Sprintf("  %s not answered/s", figure(p.Bad))
	}
	return fmt.Sprintf("%s of %s  %s answers/s  p50 %s ms  p99 %s ms%s",
		p.Elapsed.Round(time.Second), p.Of.Round(100*time.Millisecond), figure(p.Requests), millis(p.P50), millis(p.P99), bad)
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

// given writes a number that somebody chose.
func given(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

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
	if r.Found != nil {
		if err := printSteps(out, r.Found); err != nil {
			return err
		}
	}
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
	fmt.Fprintf(w, "errors\t%d", r.Errors)
	if r.Errors > 0 {
		fmt.Fprintf(w, "\t%s", kindsInWords(r.ErrorsByKind))
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := printQuantiles(out, latencies(r)); err != nil {
		return err
	}
	if r.ClientLimited {
		fmt.Fprintf(out, "\nThe client was the limit: %s.\n", r.Why)
	}
	return nil
}

func printConditions(out io.Writer, r *bench.Result, sent string) {
	fmt.Fprintf(out, "%s, %s\n", serverName(r.Target), sentInWords(r.Target, sent))
	fmt.Fprintf(out, "%s loop: %s, %s s\n", r.Mode, loadInWords(r), figure(r.Duration))
	if r.Interrupted {
		fmt.Fprintln(out, "interrupted: these are the figures until then")
	}
	fmt.Fprintln(out)
}

// serverName is a server's address and what it calls itself.
func serverName(t bench.Info) string {
	if t.Server == "" {
		return t.URL
	}
	return t.URL + " (" + t.Server + ")"
}

// sentInWords says what a request carries; images says what it was made of.
func sentInWords(t bench.Info, images string) string {
	what := t.Protocol + ", " + images
	if t.Input != bench.Image {
		what = t.Protocol + ", " + t.Input + " of " + images
	}
	if t.Batch > 1 {
		what += fmt.Sprintf(", %d a request", t.Batch)
	}
	return what
}

// rate is that of an open loop: as it was given, or three figures of what a search came to.
func rate(r *bench.Result) string {
	if r.Found != nil {
		return figure(r.Rate)
	}
	return given(r.Rate)
}

func loadInWords(r *bench.Result) string {
	switch {
	case r.Mode == "open":
		return fmt.Sprintf("%s requests/s, %s arrivals, up to %d at once", rate(r), r.Arrivals, r.Client.Connections)
	case r.Clients == 1:
		return "1 client"
	}
	return fmt.Sprintf("%d clients", r.Clients)
}

func kindsInWords(kinds map[string]int64) string {
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		words = append(words, fmt.Sprintf("%d %s", kinds[kind], strings.ReplaceAll(kind, "_", " ")))
	}
	return strings.Join(words, ", ")
}

// latencies are those of each outcome, nil where there was none.
func latencies(r *bench.Result) []namedQuantiles {
	if r.Mode == "closed" { // sent as soon as they were due
		return []namedQuantiles{{"latency", r.Latency}, {"refusals", r.Refused.Latency}, {"expiries", r.Expired.Latency}, {"client's clock late", r.Client.Lag}}
	}
	return []namedQuantiles{
		{"latency", r.Latency}, {"latency, since sent", r.Service}, {"refusals", r.Refused.Latency}, {"refusals, since sent", r.Refused.Service},
		{"expiries", r.Expired.Latency}, {"expiries, since sent", r.Expired.Service}, {"sent late", r.Client.Lag},
	}
}

type namedQuantiles struct {
	name string
	*bench.Quantiles
}

func printQuantiles(out io.Writer, rows []namedQuantiles) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "ms\tmean\tp50\tp90\tp99\tp99.9\tmax\t")
	for _, q := range rows {
		if q.Quantiles == nil {
			continue
		}
		fmt.Fprintf(w, "%s\t", q.name)
		for _, v := range []float64{q.Mean, q.P50, q.P90, q.P99, q.P999, q.Max} {
			fmt.Fprintf(w, "%s\t", figure(v))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// printSteps writes what a search tried.
func printSteps(out io.Writer, f *bench.Found) error {
	if len(f.Steps) == 0 {
		fmt.Fprintf(out, "One client alone waits for more than %s ms.\n\n", given(f.Bound))
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "requests/s\tanswered/s\tp99 ms\tnot served\t")
	for _, s := range f.Steps {
		p99 := "–"
		if s.P99 != nil {
			p99 = figure(*s.P99)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t  %s\n", figure(s.Rate), figure(s.Requests), p99, percent(s.Unserved), verdict(s))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	switch {
	case f.Rate == 0:
		fmt.Fprintf(out, "No rate that was tried keeps a p99 of %s ms.\n\n", given(f.Bound))
	case f.ClientLimited:
		fmt.Fprintf(out, "At least %s requests/s keep a p99 of %s ms. More was not to be had from this client.\n\n", figure(f.Rate), given(f.Bound))
	default:
		fmt.Fprintf(out, "%s requests/s keep a p99 of %s ms.\n\n", figure(f.Rate), given(f.Bound))
	}
	return nil
}
