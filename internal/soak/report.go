package soak

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Report is what a soak shows to a person.
type Report struct {
	Title    string
	Facts    [][2]string // what was run, on what: name and value
	Samples  []Sample
	Warm     int // samples of the warm-up, which the trends leave out
	Trends   map[Series]Trend
	Bounds   map[Series]float64 // a request; of those that are held to one
	Counts   []Count
	Failures []string
}

// Count is what became of one kind of request.
type Count struct {
	Kind     string
	Sent     int64
	Wrong    int64
	Statuses string // such as "200: 17, 503: 2"
}

// Write makes dir/samples.csv, dir/counts.csv and dir/index.html.
func (r *Report) Write(dir string) error {
	for name, write := range map[string]func(io.Writer) error{"samples.csv": r.writeSamples, "counts.csv": r.writeCounts, "index.html": r.writePage} {
		if err := writeFile(filepath.Join(dir, name), write); err != nil {
			return fmt.Errorf("cannot write the report: %w", err)
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (r *Report) writeSamples(out io.Writer) error {
	w := csv.NewWriter(out)
	head := []string{"seconds", "requests", "warm_up"}
	for _, s := range AllSeries() {
		head = append(head, s.String())
	}
	w.Write(head)
	for i, s := range r.Samples {
		row := []string{fmt.Sprintf("%.1f", s.Elapsed.Seconds()), strconv.FormatInt(s.Requests, 10), strconv.FormatBool(i < r.Warm)}
		for _, v := range s.Values {
			row = append(row, strconv.FormatFloat(v, 'f', -1, 64))
		}
		w.Write(row)
	}
	w.Flush()
	return w.Error()
}

func (r *Report) writeCounts(out io.Writer) error {
	w := csv.NewWriter(out)
	w.Write([]string{"kind", "sent", "wrong", "statuses"})
	for _, c := range r.Counts {
		w.Write([]string{c.Kind, strconv.FormatInt(c.Sent, 10), strconv.FormatInt(c.Wrong, 10), c.Statuses})
	}
	w.Flush()
	return w.Error()
}

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Parse(pageText))

// plot is one series drawn as an SVG polyline in a field of plotWidth by plotHeight.
type plot struct {
	Name, Least, Most, Trend, Bound, Points string
	WarmX                                   string
}

const plotWidth, plotHeight = 900, 130

func (r *Report) writePage(out io.Writer) error {
	var plots []plot
	for _, s := range AllSeries() {
		plots = append(plots, r.plot(s))
	}
	return page.Execute(out, struct {
		*Report
		Plots         []plot
		Width, Height int
	}{r, plots, plotWidth, plotHeight})
}

func (r *Report) plot(s Series) plot {
	p := plot{Name: s.String()}
	if len(r.Samples) == 0 {
		return p
	}
	least, most := r.Samples[0].Values[s], r.Samples[0].Values[s]
	for _, v := range r.Samples {
		least, most = min(least, v.Values[s]), max(most, v.Values[s])
	}
	end := max(r.Samples[len(r.Samples)-1].Elapsed, time.Second)
	at := func(d time.Duration) float64 { return plotWidth * d.Seconds() / end.Seconds() }
	height := max(most-least, 1e-9)
	var points strings.Builder
	for _, v := range r.Samples {
		fmt.Fprintf(&points, "%.1f,%.1f ", at(v.Elapsed), plotHeight*(1-(v.Values[s]-least)/height))
	}
	p.Points = points.String()
	p.WarmX = fmt.Sprintf("%.1f", at(r.Samples[min(r.Warm, len(r.Samples)-1)].Elapsed))
	p.Least, p.Most = amount(least, s), amount(most, s)
	if t, ok := r.Trends[s]; ok {
		p.Trend = t.String()
	}
	if b, ok := r.Bounds[s]; ok {
		p.Bound = fmt.Sprintf("bound %g", b)
	}
	return p
}

func amount(v float64, s Series) string {
	if s.Bytes() {
		return fmt.Sprintf("%.1f MB", v/1e6)
	}
	return fmt.Sprintf("%.0f", v)
}
