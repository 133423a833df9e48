package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// trafficMetrics count what canaries and shadows do.
type trafficMetrics struct {
	canaryRequests   *prometheus.CounterVec
	canaryRatio      *prometheus.GaugeVec
	shadowImages     *prometheus.CounterVec
	shadowDropped    *prometheus.CounterVec
	shadowDuration   *prometheus.HistogramVec
	shadowDifference *prometheus.HistogramVec
	shadowRatio      *prometheus.GaugeVec
}

// differenceBuckets are of probabilities.
var differenceBuckets = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1}

func newTrafficMetrics() trafficMetrics {
	of := func(labels ...string) []string { return append([]string{"model", "version"}, labels...) }
	return trafficMetrics{
		canaryRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "torchlit_canary_requests_total", Help: "Requests that named no version while there was a canary, by the version that took them and its role: canary or default."}, of("role")),
		canaryRatio: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "torchlit_canary_ratio", Help: "Share of the requests that the canary is to take."}, of()),
		shadowImages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "torchlit_shadow_images_total", Help: "Images that the shadow version worked on, by result: agreed or disagreed with the answer given on the likeliest label, or failed."}, of("result")),
		shadowDropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "torchlit_shadow_dropped_total", Help: "Images that the shadow version was not given, by reason."}, of("reason")),
		shadowDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "torchlit_shadow_duration_seconds", Help: "Queue and run time of an image in the shadow version.", Buckets: durationBuckets()}, of()),
		shadowDifference: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "torchlit_shadow_probability_difference", Help: "Absolute difference between the probability given and the shadow's, of the label that was answered.", Buckets: differenceBuckets}, of()),
		shadowRatio: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "torchlit_shadow_ratio", Help: "Share of the requests that the shadow is to see."}, of()),
	}
}

func (m *trafficMetrics) register(r prometheus.Registerer) {
	r.MustRegister(m.canaryRequests, m.canaryRatio, m.shadowImages, m.shadowDropped, m.shadowDuration, m.shadowDifference, m.shadowRatio)
}

func (m *trafficMetrics) shadowCompared(of *ModelMetrics, disagreed bool, difference float64, took time.Duration) {
	result := "agreed"
	if disagreed {
		result = "disagreed"
	}
	m.shadowImages.WithLabelValues(of.name, of.version, result).Inc()
	m.shadowDifference.WithLabelValues(of.name, of.version).Observe(difference)
	m.shadowDuration.WithLabelValues(of.name, of.version).Observe(took.Seconds())
}

// setTraffic makes the ratios those of c's routes, and of no others.
func (m *trafficMetrics) setTraffic(c *catalog) {
	m.canaryRatio.Reset()
	m.shadowRatio.Reset()
	for name, r := range c.routes {
		if r.canary != nil {
			m.canaryRatio.WithLabelValues(name, r.canary.Version).Set(r.Canary.Percent / 100)
		}
		if r.shadow != nil {
			m.shadowRatio.WithLabelValues(name, r.shadow.Version).Set(r.Shadow.Percent / 100)
		}
	}
}

func (m *trafficMetrics) ofModels() []labelled {
	return []labelled{m.canaryRequests, m.canaryRatio, m.shadowImages, m.shadowDropped, m.shadowDuration, m.shadowDifference, m.shadowRatio}
}
