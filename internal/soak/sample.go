package soak

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/procfs"
)

// Series is one of the quantities that a Sample holds.
type Series int

// The quantities. Those of memory are bytes.
const (
	RSS         Series = iota // resident memory
	PSS                       // the same, with pages that others share divided among them
	Heap                      // Go's heap in use, garbage included
	GoRuntime                 // all that Go's runtime has from the system
	Native                    // what libtorch holds, as it counts it
	Tensors                   // tensors that Go code has not closed
	Goroutines                //
	Threads                   // of the operating system
	Descriptors               // open files and sockets
	Connections               // HTTP connections
	numSeries
)

var seriesNames = [numSeries]string{"rss", "pss", "go_heap", "go_sys", "native", "tensors", "goroutines", "threads", "descriptors", "connections"}

// String returns the name that a column of the CSV file has.
func (s Series) String() string { return seriesNames[s] }

// Bytes reports whether the quantity is memory.
func (s Series) Bytes() bool { return s <= Native }

// AllSeries returns all quantities in their order.
func AllSeries() []Series {
	all := make([]Series, numSeries)
	for i := range all {
		all[i] = Series(i)
	}
	return all
}

// Sample is what was seen of the server at one moment.
type Sample struct {
	Elapsed  time.Duration // since the load began
	Requests int64         // answered so far
	Values   [numSeries]float64
}

// ofMetrics says which metric a quantity is; the others are asked of the system.
var ofMetrics = map[Series]string{
	Heap: "go_memstats_heap_inuse_bytes", GoRuntime: "go_memstats_sys_bytes", Native: "torchlit_native_bytes",
	Tensors: "torchlit_tensors_live", Goroutines: "go_goroutines", Connections: "torchlit_connections",
}

// Sampler looks at one server process on this machine. It is for one goroutine at a time.
type Sampler struct {
	proc   procfs.Proc
	url    string
	client *http.Client
}

// NewSampler makes a sampler of process pid, whose metrics are at url + "/metrics".
func NewSampler(pid int, url string) (*Sampler, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return nil, fmt.Errorf("cannot look at process %d: %w", pid, err)
	}
	return &Sampler{proc: proc, url: url, client: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}, nil
}

// Close ends the sampler's connection.
func (s *Sampler) Close() { s.client.CloseIdleConnections() }

// Sample looks at the process, and scrapes its metrics.
func (s *Sampler) Sample(ctx context.Context) (Sample, error) {
	var out Sample
	metrics, err := s.Metrics(ctx)
	if err != nil {
		return out, err
	}
	for series, name := range ofMetrics {
		out.Values[series] = metrics[name]
	}
	stat, err := s.proc.Stat()
	if err != nil {
		return out, fmt.Errorf("cannot read the state of the process: %w", err)
	}
	maps, err := s.proc.ProcSMapsRollup()
	if err != nil {
		return out, fmt.Errorf("cannot read the memory of the process: %w", err)
	}
	descriptors, err := s.proc.FileDescriptorsLen()
	if err != nil {
		return out, fmt.Errorf("cannot count the descriptors of the process: %w", err)
	}
	out.Values[RSS], out.Values[PSS] = float64(maps.Rss), float64(maps.Pss)
	out.Values[Threads], out.Values[Descriptors] = float64(stat.NumThreads), float64(descriptors)
	return out, nil
}

// Metrics scrapes the server. The values of a metric's label sets are added up.
func (s *Sampler) Metrics(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot scrape the metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("cannot scrape the metrics: status %d", resp.StatusCode)
	}
	return parseMetrics(resp.Body)
}

func parseMetrics(r io.Reader) (map[string]float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("cannot read the metrics: %w", err)
	}
	out := make(map[string]float64, len(families))
	for name, f := range families {
		for _, m := range f.GetMetric() {
			// One of the three is there; the getters of the others return zero.
			out[name] += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return out, nil
}
