package server

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"github.com/torchlit/torchlit/batching"
)

// Registry is where metrics are put, and read from to be shown.
type Registry interface {
	prometheus.Registerer
	prometheus.Gatherer
}

// Metrics holds everything that /metrics shows. It is made before the batchers, which report to it, and the server, which
// serves it. Every method may be called from any goroutine.
type Metrics struct {
	registry Registry

	rejected    *prometheus.CounterVec
	predictions *prometheus.CounterVec
	batches     *prometheus.CounterVec
	batchSize   *prometheus.HistogramVec
	queueDepth  *prometheus.GaugeVec
	loadTime    *prometheus.GaugeVec
	info        *prometheus.GaugeVec
	loads       *prometheus.CounterVec
	trafficMetrics
	cacheMetrics
	limits   limitMetrics
	faults   faultMetrics
	inflight inflight

	stats   sync.Map // *statistics by [2]string{name, version}
	nobody  tally    // requests for an answer that reached no model
	retired retired
}

var batchBuckets = []float64{1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256}

// NewMetrics registers every metric with r, and the Go runtime's and the process's beside them. A nil r means a registry of
// its own. It panics when r holds metrics of these names already.
func NewMetrics(r Registry) *Metrics {
	if r == nil {
		r = prometheus.NewRegistry()
	}
	ofModel := []string{"model", "version"}
	with := func(label string) []string { return append(slices.Clone(ofModel), label) }
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels []string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry:    r,
		rejected:    counter("torchlit_rejected_total", "Images and requests turned away or given up, by reason.", with("reason")),
		predictions: counter("torchlit_predictions_total", "Answers by their likeliest label.", with("label")),
		batches:     counter("torchlit_batches_total", "Batches run, by what released them.", with("reason")),
		batchSize:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "torchlit_batch_size", Help: "Images in one batch.", Buckets: batchBuckets}, ofModel),
		queueDepth:  gauge("torchlit_queue_depth", "Images that wait for a batch.", ofModel),
		loadTime:    gauge("torchlit_model_load_duration_seconds", "How long the model took to load and warm up.", ofModel),
		info:        gauge("torchlit_model_info", "1 for each model served, described by its labels.", append(slices.Clone(ofModel), "architecture", "precision", "device")),
		loads:       counter("torchlit_model_loads_total", "Attempts to load a version of a model, by result: ok or failed.", []string{"model", "result"}),
	}
	m.trafficMetrics = newTrafficMetrics()
	m.trafficMetrics.register(r)
	m.cacheMetrics = newCacheMetrics()
	m.cacheMetrics.register(r)
	m.limits.register(r)
	m.faults.register(r)
	m.nobody.shards = newShards()
	r.MustRegister(newRecordMetrics(m), m.rejected, m.predictions, m.batches, m.batchSize, m.queueDepth,
		m.loadTime, m.info, m.loads, m.inflight.gauge(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// ModelMetrics is Metrics for one version of one model, with its counters looked up once.
type ModelMetrics struct {
	all           *Metrics
	name, version string

	batchSize  prometheus.Observer
	queueDepth prometheus.Gauge
	stats      *statistics
}

// Model returns the metrics of a model. The same names give the same counters.
func (m *Metrics) Model(name, version string) *ModelMetrics {
	return &ModelMetrics{
		all: m, name: name, version: version,
		batchSize:  m.batchSize.WithLabelValues(name, version),
		queueDepth: m.queueDepth.WithLabelValues(name, version),
		stats:      m.statistics(name, version),
	}
}

// Loaded records how long the model took to load and warm up.
func (m *ModelMetrics) Loaded(took time.Duration) {
	m.all.loadTime.WithLabelValues(m.name, m.version).Set(took.Seconds())
}

// Observer reports a batcher to these metrics: hand it over as batching.Config.Observer. Refusals are not counted here: the
// server counts each where it answers it.
func (m *ModelMetrics) Observer() batching.Observer {
	return batching.Observer{
		Enqueued: m.setQueueDepth,
		Dequeued: func(_, depth int) { m.setQueueDepth(depth) },
		BatchDone: func(b batching.Batch) {
			m.stats.batch(b)
			m.batchSize.Observe(float64(b.Size))
			m.all.batches.WithLabelValues(m.name, m.version, b.Reason.String()).Inc()
		},
	}
}

func (m *ModelMetrics) setQueueDepth(depth int) {
	m.queueDepth.Set(float64(depth))
	m.stats.setDepth(depth)
}

// observeDecode counts the decoding of one image.
func (m *ModelMetrics) observeDecode(took time.Duration) {
	p := m.stats.lock()
	p.decode.add(took)
	m.stats.unlock(p)
}

// observeAnswer counts an image that the model was asked about.
func (m *ModelMetrics) observeAnswer(t timing) {
	p := m.stats.lock()
	p.countImage(t)
	m.stats.unlock(p)
}

func (m *Metrics) observeRequest(ex *exchange, status int) {
	if ex.model != nil {
		s := ex.model.counts.stats
		p := s.lock()
		p.countRequest(ex, status)
		s.unlock(p)
		return
	}
	p := m.nobody.lock()
	p.countCode(status, 1)
	if ex.asks {
		p.countOutcome(status, ex.timing.total)
	}
	m.nobody.unlock(p)
}

// reject counts what was turned away; of is nil when it reached no model.
func (m *Metrics) reject(of *ModelMetrics, reason string) {
	name, version, t := "", "", &m.nobody
	if of != nil {
		name, version, t = of.name, of.version, &of.stats.tally
	}
	m.rejected.WithLabelValues(name, version, reason).Inc()
	t.reject(reason)
}

// inflight counts the requests being answered.
type inflight struct{ atomic.Int64 }

// Inc counts one more.
func (n *inflight) Inc() { n.Add(1) }

// Dec counts one less.
func (n *inflight) Dec() { n.Add(-1) }

func (n *inflight) gauge() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "torchlit_inflight_requests", Help: "Requests being answered."},
		func() float64 { return float64(n.Load()) })
}

// setInfo makes torchlit_model_info name exactly the models of c.
func (m *Metrics) setInfo(c *catalog) {
	m.info.Reset()
	for _, sm := range c.models {
		d := sm.Description
		m.info.WithLabelValues(sm.Name, sm.Version, d.Architecture, d.Precision, d.Device).Set(1)
	}
}

// setBuild shows torchlit_build_info with the given labels.
func (m *Metrics) setBuild(labels map[string]string) {
	if len(labels) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(labels))
	values := make([]string, len(names))
	for i, n := range names {
		values[i] = strings.ToValidUTF8(labels[n], "?")
	}
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "torchlit_build_info", Help: "1, described by its labels."}, names)
	m.registry.MustRegister(g)
	g.WithLabelValues(values...).Set(1)
}

func (m *Metrics) handler() fasthttp.RequestHandler {
	return fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
}
