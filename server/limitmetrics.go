package server

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// limitMetrics show how near the server is to its limits. Requests that a limit turned away are in torchlit_rejected_total.
type limitMetrics struct {
	of     atomic.Pointer[Server] // nil before Open
	closed *prometheus.CounterVec
}

// Why the server closed a connection.
const (
	closedIdle        = "idle"         // nothing came
	closedSlowRequest = "slow_request" // a request came too slowly
	closedSlowReader  = "slow_reader"  // a reply was not read
)

func (m *limitMetrics) register(r prometheus.Registerer) {
	m.closed = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "torchlit_connections_closed_total", Help: "Connections that the server closed, by reason: idle, slow_request or slow_reader."}, []string{"reason"})
	for _, reason := range []string{closedIdle, closedSlowRequest, closedSlowReader} {
		m.closed.WithLabelValues(reason)
	}
	gauge := func(name, help string, value func(*Server) float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			s := m.of.Load()
			if s == nil {
				return 0
			}
			return value(s)
		}))
	}
	r.MustRegister(m.closed)
	gauge("torchlit_connections", "Open connections.", func(s *Server) float64 { return float64(s.conns.count()) })
	gauge("torchlit_connections_max", "Connections that may be open.", func(s *Server) float64 { return float64(s.cfg.MaxConns) })
	gauge("torchlit_body_memory_bytes", "Memory that requests' bodies take.", func(s *Server) float64 { return float64(s.bodies.used.Load()) })
	gauge("torchlit_body_memory_max_bytes", "Memory that requests' bodies may take.", func(s *Server) float64 { return float64(s.bodies.limit) })
	gauge("torchlit_decode_memory_bytes", "Memory that images take which are being decoded.", func(s *Server) float64 { return float64(s.decoding.Used()) })
	gauge("torchlit_decode_memory_max_bytes", "Memory that images may take while they are decoded.", func(s *Server) float64 { return float64(s.decoding.Limit()) })
}
