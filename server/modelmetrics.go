package server

import "github.com/prometheus/client_golang/prometheus"

// CountLoad counts an attempt to load a version of a model.
func (m *Metrics) CountLoad(model string, ok bool) {
	result := "failed"
	if ok {
		result = "ok"
	}
	m.loads.WithLabelValues(model, result).Inc()
}

// Forget removes every series of a version that is not loaded any more: a dashboard should not show what is gone, and
// a folder that gets a version a day should not fill the scrape. Call it when the version's last request is answered,
// or that request would bring one of them back.
func (m *Metrics) Forget(model, version string) {
	of := prometheus.Labels{"model": model, "version": version}
	for _, v := range m.ofModels() {
		v.DeletePartialMatch(of)
	}
	m.retire(model, version)
}

// labelled is a metric with labels.
type labelled interface {
	DeletePartialMatch(prometheus.Labels) int
}

// ofModels returns the metrics that have the labels model and version.
func (m *Metrics) ofModels() []labelled {
	return append(append(m.trafficMetrics.ofModels(), m.cacheMetrics.ofModels()...), m.rejected, m.predictions, m.batches, m.batchSize,
		m.queueDepth, m.loadTime, m.info)
}
