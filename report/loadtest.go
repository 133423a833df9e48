package report

import (
	"bytes"
	"fmt"
	"html/template"
	"os"
	"strconv"
	"strings"
	"time"
)

// LoadTest is everything that the report of a load test shows. Latencies are in milliseconds, rates per second.
type LoadTest struct {
	Server  string // its address, and what it calls itself
	Sent    string // what was sent, for people
	Load    string // how, for people
	Created time.Time
	Open    bool // an open loop: Rate is what was asked for
	Rate    float64

	Requests, Images float64   // answers and images a second
	Goodput, InTime  float64   // answers in time, and their share; only with a Deadline
	Deadline         float64   // 0: none
	Refused, Failed  float64   // shares of all requests; Failed has the expired ones, too
	P50, P99         float64   // of the answers
	Lag              float64   // at the 99th percentile: how late the client was itself
	Limit            string    // why the client was the limit, if it was
	Interrupted      bool      // before it was over
	Rows             []LoadRow // the latencies of each outcome
	Curve            []LoadShare
	Timeline         []LoadMoment
	Search           *LoadSearch // nil if no rate was sought

	Facts   []Facts
	Command []string // repeats the test, one argument each
}

// LoadRow is how long requests with one outcome took.
type LoadRow struct {
	Name                           string
	Count                          int64
	Mean, P50, P90, P99, P999, Max float64
}

// LoadShare is a point of the curve: this share of the requests took no longer.
type LoadShare struct{ Share, Latency float64 }

// LoadMoment is a second of the test, or a longer time. P99 is 0 where nothing was due.
type LoadMoment struct {
	At, Width, Answered, Refused, Failed float64
	P50, P99, Max                        float64
}

// LoadSearch is the search for the highest rate that keeps a bound.
type LoadSearch struct {
	Bound, Rate   float64 // Rate is 0 if none was found
	ClientLimited bool
	Steps         []LoadStep
}

// LoadStep is a rate that was tried. P99 is 0 if nothing was answered.
type LoadStep struct {
	Rate, P99, Unserved float64
	Kept                bool
	Why                 string
}

// loadPage is what loadtest.html shows.
type loadPage struct {
	LoadTest
	Style                 template.CSS
	Mark                  template.HTML
	Headline, CommandLine string
	Tiles                 []tile
	Findings              []string
	Figures, Over         []drawn
	SearchFigure          *drawn
}

// loadTemplate borrows the "figure" of page.html.
var loadTemplate = template.Must(template.New("loadtest.html").Funcs(template.FuncMap{"three": three, "percent": func(share float64) string { return unbroken(percent(share)) }}).
	ParseFS(files, "page.html", "loadtest.html"))

// WriteLoadTest writes the report of a load test as one page that needs no other file and no network.
func WriteLoadTest(path string, l LoadTest) error {
	page, err := l.render()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, page, 0o644); err != nil {
		return fmt.Errorf("cannot write the report: %w", err) // names the file
	}
	return nil
}

func (l LoadTest) render() ([]byte, error) {
	p := loadPage{
		LoadTest: l, Style: template.CSS(asset("page.css")), Mark: template.HTML(mark()),
		Headline: l.headline(), CommandLine: shell(l.Command), Tiles: l.tiles(), Findings: l.findings(),
	}
	units := strings.NewReplacer(" %", "\u00a0%", " ms", "\u00a0ms")
	for i := range p.Tiles {
		p.Tiles[i].Note = units.Replace(p.Tiles[i].Note)
	}
	for i := range p.Findings {
		p.Findings[i] = units.Replace(p.Findings[i])
	}
	var failed error
	inline := func(f figure) drawn {
		svg, err := f.inline()
		if err != nil && failed == nil {
			failed = fmt.Errorf("cannot draw %s: %w", f.name, err)
		}
		return drawn{f.title, template.HTML(svg)}
	}
	if l.Search != nil && len(l.Search.Steps) > 0 {
		d := inline(searchFigure(l.Search))
		p.SearchFigure = &d
	}
	if len(l.Curve) > 0 {
		p.Figures = append(p.Figures, inline(percentileFigure(l)))
	}
	if len(l.Timeline) > 1 {
		p.Over = append(p.Over, inline(throughputFigure(l)), inline(latencyFigure(l)))
	}
	if failed != nil {
		return nil, failed
	}
	var b bytes.Buffer
	if err := loadTemplate.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("cannot make the page: %w", err)
	}
	return b.Bytes(), nil
}

func (l LoadTest) headline() string {
	s := l.Search
	switch {
	case s == nil && l.Open:
		return fmt.Sprintf("How it bears %s requests a second", given(l.Rate))
	case s == nil:
		return fmt.Sprintf("%s requests a second", three(l.Requests))
	case s.Rate == 0:
		return fmt.Sprintf("No rate keeps a p99 of %s ms", given(s.Bound))
	case s.ClientLimited:
		return fmt.Sprintf("At least %s requests a second within %s ms", three(s.Rate), given(s.Bound))
	}
	return fmt.Sprintf("%s requests a second within %s ms", three(s.Rate), given(s.Bound))
}

func (l LoadTest) tiles() []tile {
	p50, p99 := three(l.P50)+" ms", three(l.P99)+" ms"
	if l.P99 == 0 { // nothing was answered
		p50, p99 = "–", "–"
	}
	out := []tile{
		{Name: "answers a second", Value: three(l.Requests), Note: three(l.Images) + " images", First: true},
		{Name: "p50", Value: p50, Note: "half of the answers took no longer"},
		{Name: "p99", Value: p99, Note: "99 of 100 took no longer"},
	}
	if l.Deadline > 0 {
		out = append(out, tile{Name: "in time", Value: percent(l.InTime), Note: fmt.Sprintf("of what was not refused, within %s ms: %s a second", given(l.Deadline), three(l.Goodput))})
	}
	return append(out,
		tile{Name: "refused", Value: percent(l.Refused), Note: "of all requests"},
		tile{Name: "failed", Value: percent(l.Failed), Note: "or expired"})
}

func (l LoadTest) findings() (out []string) {
	if l.Limit != "" {
		out = append(out, "The client was the limit: "+l.Limit+".")
	}
	if l.Interrupted {
		out = append(out, "The test was interrupted: these are the figures until then.")
	}
	if s := l.Search; s != nil {
		switch {
		case s.Rate == 0 && len(s.Steps) == 0:
			out = append(out, fmt.Sprintf("One client alone waits for more than %s ms already. The other figures are that client's.", given(s.Bound)))
		case s.Rate == 0:
			out = append(out, fmt.Sprintf("Every rate that was tried breaks the bound of %s ms. The other figures are of the lowest one.", given(s.Bound)))
		case s.ClientLimited:
			out = append(out, "The search ended at the client's limit: the server may do more. The other figures are of the highest rate that kept the bound.")
		default:
			out = append(out, "The other figures are of the highest rate that kept the bound.")
		}
	}
	if l.Open {
		out = append(out, fmt.Sprintf("Requests were sent when they were due, whatever became of those before, and latencies count from then; at the 99th percentile the client sent %s ms late.", three(l.Lag)))
	} else {
		out = append(out, "Each client waited for its answer before it sent again. While the server stalls such clients ask nothing, so these latencies are theirs, not those of users who come as they like.")
	}
	return out
}

// given writes a number that somebody chose.
func given(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// three writes a number with three figures.
func three(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 99.95:
		return count(int(v + 0.5))
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.9995:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
