package server

import "github.com/prometheus/client_golang/prometheus"

// faultMetrics count what should not happen and was survived.
type faultMetrics struct {
	panics prometheus.Counter
}

func (m *faultMetrics) register(r prometheus.Registerer) {
	m.panics = prometheus.NewCounter(prometheus.CounterOpts{Name: "torchlit_panics_total", Help: "Panics that were contained; the log has each with its stack."})
	r.MustRegister(m.panics)
}
