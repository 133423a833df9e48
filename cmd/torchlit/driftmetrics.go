package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/torchlit/torchlit/monitor/watch"
)

// driftMetrics shows Prometheus what the watcher knows. Nothing is kept: it is read when it is asked for.
type driftMetrics struct {
	statuses func() []watch.Status

	score, p, detected, windows, at, waiting, ood                     *prometheus.Desc
	estimated, low, high, reference, feedback, feedbackLabels, unsure *prometheus.Desc
}

func newDriftMetrics(statuses func() []watch.Status) *driftMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("torchlit_"+name, help, append([]string{"model", "version"}, labels...), nil)
	}
	return &driftMetrics{
		statuses:       statuses,
		score:          desc("drift_score", "How far the newest window has moved from the model's reference, in the detector's own measure.", "detector"),
		p:              desc("drift_p_value", "Probability that chance moves a window as far, adjusted for the number of detectors.", "detector"),
		detected:       desc("drift_detected", "1 while the alarm is raised: so many windows in a row have drifted."),
		windows:        desc("drift_windows", "Tested windows of those that are kept in view, by whether they drifted.", "drifted"),
		at:             desc("drift_window_timestamp_seconds", "When the newest window's last answer was given."),
		waiting:        desc("drift_waiting_answers", "Answers since the newest window."),
		ood:            desc("ood_ratio", "Share of the newest window's answers that lie further from all classes than 99 in 100 of the reference."),
		estimated:      desc("estimated_accuracy_ratio", "Accuracy of the newest window, estimated without labels from the model's confidence."),
		low:            desc("estimated_accuracy_lower_ratio", "Lower end of the estimate's band."),
		high:           desc("estimated_accuracy_upper_ratio", "Upper end of the estimate's band."),
		unsure:         desc("estimated_accuracy_unsure", "1 while the estimate is not to be relied on: its band is wide."),
		reference:      desc("reference_accuracy_ratio", "Accuracy on the images that the reference was made of."),
		feedback:       desc("feedback_accuracy_ratio", "Accuracy on recent answers whose true label came as feedback."),
		feedbackLabels: desc("feedback_labels", "Recent answers whose true label came as feedback."),
	}
}

// Describe implements prometheus.Collector.
func (m *driftMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.score, m.p, m.detected, m.windows, m.at, m.waiting, m.ood, m.estimated, m.low, m.high, m.unsure, m.reference, m.feedback, m.feedbackLabels,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *driftMetrics) Collect(out chan<- prometheus.Metric) {
	for _, s := range m.statuses() {
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{s.Model, s.Version}, labels...)...)
		}
		if s.Accuracy != nil {
			gauge(m.feedback, float64(s.Accuracy.Correct)/float64(s.Accuracy.Labelled))
			gauge(m.feedbackLabels, float64(s.Accuracy.Labelled))
		}
		if s.Reference == nil {
			continue
		}
		gauge(m.reference, s.Reference.Accuracy)
		gauge(m.detected, oneIf(s.Alarm.Raised))
		gauge(m.waiting, float64(s.Waiting))
		m.window(gauge, &s)
	}
}

func (m *driftMetrics) window(gauge func(d *prometheus.Desc, v float64, labels ...string), s *watch.Status) {
	drifted := 0
	for _, r := range s.Windows {
		if r.Drifted {
			drifted++
		}
	}
	gauge(m.windows, float64(drifted), "true")
	gauge(m.windows, float64(len(s.Windows)-drifted), "false")
	r := s.Newest()
	if r == nil {
		return
	}
	gauge(m.at, float64(r.Until.UnixMilli())/1000)
	gauge(m.estimated, r.Estimate.Accuracy)
	gauge(m.low, r.Estimate.Low)
	gauge(m.high, r.Estimate.High)
	gauge(m.unsure, oneIf(r.Estimate.Unsure))
	if r.Strange != nil {
		gauge(m.ood, *r.Strange)
	}
	for _, t := range r.Tests {
		if t.Skipped == "" {
			gauge(m.score, t.Score, t.Detector)
			gauge(m.p, t.Adjusted, t.Detector)
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
