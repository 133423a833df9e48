package server

import "github.com/prometheus/client_golang/prometheus"

// faultMetrics count what should not happen and was survived.
type faultMetrics struct {
	panics  prometheus.Counter
	accepts *prometheus.CounterVec // by reason
}

func (m *faultMetrics) register(r prometheus.Registerer) {
	m.panics = prometheus.NewCounter(prometheus.CounterOpts{Name: "torchlit_panics_total", Help: "Panics that were contained; the log has each with its stack."})
	m.accepts = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "torchlit_accept_errors_total", Help: "Times that no connection could be accepted, by what was wanting: descriptors, memory or other."}, []string{"reason"})
	for _, reason := range []string{noDescriptors, noMemory, otherTrouble} {
		m.accepts.WithLabelValues(reason)
	}
	r.MustRegister(m.panics, m.accepts)
}
