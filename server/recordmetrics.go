package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// recordMetrics shows the records of all versions to Prometheus.
type recordMetrics struct {
	all      *Metrics
	requests *prometheus.Desc
	shown    []shownDurations
}

// shownDurations is a histogram of every record.
type shownDurations struct {
	*prometheus.Desc
	of func(*record) *durations
}

func newRecordMetrics(m *Metrics) *recordMetrics {
	ofModel := []string{"model", "version"}
	histogram := func(name, help string, of func(*record) *durations) shownDurations {
		return shownDurations{prometheus.NewDesc(name, help, ofModel, nil), of}
	}
	return &recordMetrics{
		all: m,
		requests: prometheus.NewDesc("torchlit_requests_total", "HTTP requests by status code; model is empty for those about no model.",
			append(ofModel, "code"), nil),
		shown: []shownDurations{
			histogram("torchlit_request_duration_seconds", "From a request's last byte to its answer.", func(r *record) *durations { return &r.request }),
			histogram("torchlit_decode_duration_seconds", "Decoding and resizing of one image.", func(r *record) *durations { return &r.decode }),
			histogram("torchlit_queue_duration_seconds", "Waiting of one image for a decode worker and for a batch.", func(r *record) *durations { return &r.queue }),
			histogram("torchlit_inference_duration_seconds", "Run time of the batch an image was in, counted for each image.", func(r *record) *durations { return &r.inference }),
		},
	}
}

// Describe implements prometheus.Collector.
func (c *recordMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- c.requests
	for _, s := range c.shown {
		out <- s.Desc
	}
}

// Collect implements prometheus.Collector.
func (c *recordMetrics) Collect(out chan<- prometheus.Metric) {
	c.collectCodes(out, c.all.nobody.sum(), "", "")
	c.all.stats.Range(func(key, value any) bool {
		id, r := key.([2]string), value.(*statistics).sum()
		c.collectCodes(out, r, id[0], id[1])
		for _, s := range c.shown {
			out <- s.of(r).metric(s.Desc, id[0], id[1])
		}
		return true
	})
}

func (c *recordMetrics) collectCodes(out chan<- prometheus.Metric, r *record, model, version string) {
	for _, code := range r.codes {
		out <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(code.n), model, version, strconv.Itoa(code.status))
	}
}

func (d *durations) metric(desc *prometheus.Desc, labels ...string) prometheus.Metric {
	var n uint64
	below := make(map[float64]uint64, len(durationBounds))
	for i, bound := range durationBounds {
		n += d.buckets[i]
		below[bound.Seconds()] = n
	}
	n += d.buckets[len(durationBounds)]
	return prometheus.MustNewConstHistogram(desc, n, float64(d.ns)/1e9, below, labels...)
}
