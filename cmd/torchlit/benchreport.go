package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/torchlit/torchlit/bench"
	"github.com/torchlit/torchlit/report"
)

// reportFile makes the folder of a report, and returns its file: path itself if it ends in .html, else index.html in the folder path.
func reportFile(path string) (string, error) {
	if filepath.Ext(path) != ".html" {
		path = filepath.Join(path, "index.html")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("cannot make the report's folder: %w", err)
	}
	return path, nil
}

// loadTest is a result as its report shows it.
func loadTest(r *bench.Result, sent string, command []string) report.LoadTest {
	l := report.LoadTest{
		Server: serverName(r.Target), Sent: sentInWords(r.Target, sent), Load: loadInWords(r), Created: r.Began,
		Open: r.Mode == "open", Rate: r.Rate,
		Requests: r.RequestsPerSecond, Images: r.ImagesPerSecond, Goodput: r.Goodput, InTime: r.InTime, Deadline: r.Deadline,
		Refused: r.Refused.Share, Limit: r.Why, Interrupted: r.Interrupted,
		Facts: loadFacts(r), Command: command,
	}
	if r.Requests > 0 {
		l.Failed = float64(r.Expired.Count+r.Errors) / float64(r.Requests)
	}
	if r.Latency != nil {
		l.P50, l.P99 = r.Latency.P50, r.Latency.P99
	}
	if r.Client.Lag != nil {
		l.Lag = r.Client.Lag.P99
	}
	for _, q := range latencies(r) {
		if q.Quantiles != nil {
			l.Rows = append(l.Rows, report.LoadRow{Name: q.name, Count: q.Count, Mean: q.Mean, P50: q.P50, P90: q.P90, P99: q.P99, P999: q.P999, Max: q.Max})
		}
	}
	for _, p := range r.Curve {
		l.Curve = append(l.Curve, report.LoadShare{Share: p.Share, Latency: p.Latency})
	}
	for i, m := range r.Timeline {
		end := r.Duration
		if i+1 < len(r.Timeline) {
			end = r.Timeline[i+1].At
		}
		l.Timeline = append(l.Timeline, report.LoadMoment{
			At: m.At, Width: end - m.At, Answered: m.Requests, Refused: m.Refused, Failed: m.Bad, P50: m.P50, P99: m.P99, Max: m.Max,
		})
	}
	if f := r.Found; f != nil {
		l.Search = &report.LoadSearch{Bound: f.Bound, Rate: f.Rate, ClientLimited: f.ClientLimited}
		for _, s := range f.Steps {
			step := report.LoadStep{Rate: s.Rate, Unserved: s.Unserved, Kept: s.Kept, Why: s.Why}
			if s.P99 != nil {
				step.P99 = *s.P99
			}
			l.Search.Steps = append(l.Search.Steps, step)
		}
	}
	return l
}

func loadFacts(r *bench.Result) []report.Facts {
	target := []report.Fact{{Name: "address", Value: r.Target.URL}, {Name: "calls itself", Value: r.Target.Server}, {Name: "protocol", Value: r.Target.Protocol},
		{Name: "model", Value: r.Target.Model}, {Name: "input", Value: r.Target.Input}, {Name: "images a request", Value: strconv.Itoa(r.Target.Batch)},
		{Name: "distinct requests", Value: strconv.Itoa(r.Target.Requests)}, {Name: "mean size", Value: figure(float64(r.Target.Bytes)/1024) + " KiB"}}
	load := []report.Fact{{Name: "loop", Value: loadInWords(r)}, {Name: "warm-up", Value: given(r.Warmup) + " s"}, {Name: "measured for", Value: figure(r.Duration) + " s"},
		{Name: "requests", Value: strconv.FormatInt(r.Requests, 10)}}
	if r.Mode == "open" {
		load = append(load, report.Fact{Name: "seed", Value: strconv.FormatUint(r.Seed, 10)})
	}
	if r.Deadline > 0 {
		load = append(load, report.Fact{Name: "deadline", Value: given(r.Deadline) + " ms"})
	}
	for _, kind := range slices.Sorted(maps.Keys(r.ErrorsByKind)) {
		load = append(load, report.Fact{Name: strings.ReplaceAll(kind, "_", " "), Value: strconv.FormatInt(r.ErrorsByKind[kind], 10)})
	}
	client := []report.Fact{{Name: "processor", Value: r.Machine.CPU}, {Name: "processors", Value: strconv.Itoa(r.Machine.Processors)}, {Name: "system", Value: r.Machine.System},
		{Name: "kept busy", Value: percent(r.Client.CPU)}, {Name: "torchlit", Value: version}}
	return []report.Facts{{Title: "Server", Rows: known(target)}, {Title: "Load", Rows: known(load)}, {Title: "Client", Rows: known(client)}}
}

// known leaves out what nobody knows.
func known(rows []report.Fact) []report.Fact {
	return slices.DeleteFunc(rows, func(f report.Fact) bool { return f.Value == "" })
}
