package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// cacheMetrics count what the response cache and de-duplication spared.
type cacheMetrics struct {
	cacheHits      *prometheus.CounterVec
	cacheMisses    *prometheus.CounterVec
	dedup          *prometheus.CounterVec
	cacheEvictions prometheus.Counter
	cacheBytes     prometheus.Gauge
}

func newCacheMetrics() cacheMetrics {
	of := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"model", "version"})
	}
	return cacheMetrics{
		cacheHits:      of("torchlit_cache_hits_total", "Images answered from the response cache."),
		cacheMisses:    of("torchlit_cache_misses_total", "Images that the response cache was asked for in vain."),
		dedup:          of("torchlit_dedup_total", "Images answered with the answer to the same image of another request under way."),
		cacheEvictions: prometheus.NewCounter(prometheus.CounterOpts{Name: "torchlit_cache_evictions_total", Help: "Answers that left the response cache for want of room, or of age."}),
		cacheBytes:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "torchlit_cache_bytes", Help: "Size of the response cache's entries."}),
	}
}

func (m *cacheMetrics) register(r prometheus.Registerer) {
	r.MustRegister(m.cacheHits, m.cacheMisses, m.dedup, m.cacheEvictions, m.cacheBytes)
}

func (m *cacheMetrics) ofModels() []labelled {
	return []labelled{m.cacheHits, m.cacheMisses, m.dedup}
}

// cacheHit counts an image that was answered from the cache, which took so long.
func (m *ModelMetrics) cacheHit(took time.Duration) {
	m.stats.hits.add(took)
	m.all.cacheHits.WithLabelValues(m.name, m.version).Inc()
}

// cacheMiss counts an image that was not there.
func (m *ModelMetrics) cacheMiss(took time.Duration) {
	m.stats.misses.add(took)
	m.all.cacheMisses.WithLabelValues(m.name, m.version).Inc()
}

// shared counts an image that was answered with another request's answer.
func (m *ModelMetrics) shared() {
	m.stats.shared.Add(1)
	m.all.dedup.WithLabelValues(m.name, m.version).Inc()
}
