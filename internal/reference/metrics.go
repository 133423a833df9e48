package reference

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Registry is a registry that remembers what it was given, and so what kind of metric each name is, which Prometheus' own tells
// only of those that have a value.
type Registry struct {
	*prometheus.Registry
	given []prometheus.Collector
}

// NewRegistry returns an empty one.
func NewRegistry() *Registry { return &Registry{Registry: prometheus.NewRegistry()} }

// Register implements prometheus.Registerer.
func (r *Registry) Register(c prometheus.Collector) error {
	r.given = append(r.given, c)
	return r.Registry.Register(c)
}

// MustRegister implements prometheus.Registerer.
func (r *Registry) MustRegister(all ...prometheus.Collector) {
	r.given = append(r.given, all...)
	r.Registry.MustRegister(all...)
}

// Metric is what a registry says of one name.
type Metric struct {
	Name, Kind, Help string
	Labels           []string
}

// Metrics returns what was registered, by name; those of the Go runtime and the process, which client_golang describes, are left out.
func (r *Registry) Metrics() ([]Metric, error) {
	var all []Metric
	for _, c := range r.given {
		kinds := kindsOf(c)
		for _, d := range descriptions(c) {
			m, err := parse(d.String())
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(m.Name, "go_") || strings.HasPrefix(m.Name, "process_") {
				continue
			}
			if m.Kind = kinds(d, m.Name); m.Kind == "" {
				return nil, fmt.Errorf("cannot tell what kind of metric %q is: give it a value before", m.Name)
			}
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func descriptions(c prometheus.Collector) (all []*prometheus.Desc) {
	out := make(chan *prometheus.Desc)
	go func() {
		c.Describe(out)
		close(out)
	}()
	for d := range out {
		all = append(all, d)
	}
	return all
}

// kindsOf returns a function that tells the kind of a description of c: by its type or its name, else by the values it has.
func kindsOf(c prometheus.Collector) func(d *prometheus.Desc, name string) string {
	all := func(kind string) func(*prometheus.Desc, string) string {
		return func(*prometheus.Desc, string) string { return kind }
	}
	switch c.(type) {
	case *prometheus.CounterVec:
		return all("counter")
	case *prometheus.GaugeVec:
		return all("gauge")
	case *prometheus.HistogramVec:
		return all("histogram")
	}
	collected := sync.OnceValue(func() map[*prometheus.Desc]string { return collect(c) })
	return func(d *prometheus.Desc, name string) string {
		if strings.HasSuffix(name, "_total") {
			return "counter"
		}
		return collected()[d]
	}
}

// collect returns the kinds of what has a value.
func collect(c prometheus.Collector) map[*prometheus.Desc]string {
	kinds := map[*prometheus.Desc]string{}
	out := make(chan prometheus.Metric)
	go func() {
		c.Collect(out)
		close(out)
	}()
	for m := range out {
		var v dto.Metric
		if err := m.Write(&v); err != nil {
			continue
		}
		switch {
		case v.Counter != nil:
			kinds[m.Desc()] = "counter"
		case v.Gauge != nil:
			kinds[m.Desc()] = "gauge"
		case v.Histogram != nil:
			kinds[m.Desc()] = "histogram"
		}
	}
	return kinds
}

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: ("(?:[^"\\]|\\.)*"),(?: unit: "[^"]*",)? constLabels: \{[^}]*\}, variableLabels: \{([^}]*)\}\}$`)

// parse reads the text of a description, whose fields nobody else may see.
func parse(text string) (Metric, error) {
	m := described.FindStringSubmatch(text)
	if m == nil {
		return Metric{}, fmt.Errorf("cannot read the description %q of a metric", text)
	}
	help, err := strconv.Unquote(m[2])
	if err != nil {
		return Metric{}, fmt.Errorf("cannot read the description %q of a metric: %w", text, err)
	}
	return Metric{Name: m[1], Help: help, Labels: strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' })}, nil
}

// MetricGroup is what a server has when it was started in a certain way.
type MetricGroup struct {
	Heading, Intro string
	Metrics        []Metric
}

// MetricsPage is the page of them.
func MetricsPage(groups []MetricGroup) string {
	p := newPage("Metrics", "the server's registry", "What `GET /metrics` shows Prometheus, beside `go_*` and `process_*` of its Go client. A histogram has "+
		"`_bucket`, `_sum` and `_count`. What to watch, and alerts that are ready to use: [alerts.md](../alerts.md).")
	for _, g := range groups {
		p.f("\n## %s\n", g.Heading)
		p.paragraph(g.Intro)
		var rows [][]string
		for _, m := range g.Metrics {
			var labels []string
			for _, l := range m.Labels {
				labels = append(labels, code(l))
			}
			rows = append(rows, []string{code(m.Name), m.Kind, strings.Join(labels, ", "), plain(m.Help)})
		}
		p.table([]string{"metric", "kind", "labels", "is"}, rows)
	}
	return p.String()
}
