package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/predlog"
)

// defaultMonitorDir is where serve keeps the prediction log, and log looks for it.
const defaultMonitorDir = "predictions"

// flushPredictions is how long the end waits for a disk that hangs.
const flushPredictions = 10 * time.Second

// openPredictionLog opens the log of --monitor; it returns nil without.
func openPredictionLog(settings serveSettings, logger *zap.Logger, score func(*monitor.Answer) float32) (*predlog.Log, error) {
	if !settings.Monitor {
		return nil, nil
	}
	cfg := predlog.Config{
		Score:    score,
		Sample:   settings.MonitorSample,
		Vectors:  settings.MonitorVectors,
		Pictures: settings.MonitorPictures,
		MaxAge:   settings.MonitorMaxAge,
		MaxBytes: int64(settings.MonitorMaxBytes),
		Report:   reportTo(logger),
	}
	flag := "--monitor-dir"
	if cfg.DSN = settings.MonitorDSN; cfg.DSN == "" {
		cfg.Dir = settings.MonitorDir
	} else {
		flag = "--monitor-dsn"
	}
	l, err := predlog.Open(cfg)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, flag)
	}
	logger.Info("answers are logged", zap.String("in", l.Place()), zap.Float64("sample", settings.MonitorSample),
		zap.Float64("pictures", settings.MonitorPictures), zap.Duration("max_age", settings.MonitorMaxAge), zap.Int("max_bytes", settings.MonitorMaxBytes))
	return l, nil
}

// validateMonitor finds settings of the prediction log that cannot work.
func (s *serveSettings) validateMonitor() error {
	if !s.Monitor {
		if s.MonitorDSN != "" {
			return errors.New("--monitor-dsn is set, but nothing is logged without --monitor; add it, or leave both out")
		}
		return nil
	}
	if s.MonitorDir == "" && s.MonitorDSN == "" {
		return errors.New("--monitor-dir must name a folder")
	}
	if !(s.MonitorSample > 0 && s.MonitorSample <= 1) {
		return errors.New("--monitor-sample must be above 0 and at most 1; leave out --monitor to log nothing")
	}
	if !(s.MonitorVectors >= 0 && s.MonitorVectors <= 1) || !(s.MonitorPictures >= 0 && s.MonitorPictures <= 1) {
		return errors.New("--monitor-vectors and --monitor-pictures must be between 0 and 1")
	}
	if s.MonitorMaxAge < 0 {
		return errors.New("--monitor-max-age must not be negative; 0 is for no bound")
	}
	if s.MonitorMaxBytes != 0 && s.MonitorMaxBytes < predlog.MinBytes {
		return fmt.Errorf("--monitor-max-bytes must be at least %d, or 0 for no bound", predlog.MinBytes)
	}
	return s.validateDrift()
}

// logMetrics shows the log's counts to Prometheus.
type logMetrics struct {
	log                                                         *predlog.Log
	records, feedback, dropped, errors, deleted, bytes, waiting *prometheus.Desc
}

// registerLogMetrics shows what becomes of answers; nothing without a log.
func registerLogMetrics(r prometheus.Registerer, l *predlog.Log) {
	if l == nil {
		return
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("torchlit_log_"+name, help, labels, nil)
	}
	r.MustRegister(&logMetrics{
		log:      l,
		records:  desc("records_total", "Answers that are stored in the prediction log."),
		feedback: desc("feedback_total", "Labels that are stored in the prediction log."),
		dropped:  desc("dropped_total", "Answers, and pictures, that were to be logged and are not.", "reason"),
		errors:   desc("write_errors_total", "Writes to the prediction log that failed."),
		deleted:  desc("deleted_total", "Answers deleted from the prediction log for their age, for want of room, or on demand."),
		bytes:    desc("bytes", "Size of the prediction log's files."),
		waiting:  desc("queued", "Answers that wait to be written to the prediction log."),
	})
}

// Describe implements prometheus.Collector.
func (m *logMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.records, m.feedback, m.dropped, m.errors, m.deleted, m.bytes, m.waiting} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *logMetrics) Collect(out chan<- prometheus.Metric) {
	c := m.log.Counts()
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	counter(m.records, c.Records)
	counter(m.feedback, c.Feedback)
	counter(m.errors, c.Errors)
	counter(m.deleted, c.Deleted)
	for reason, n := range c.Dropped {
		counter(m.dropped, n, reason)
	}
	out <- prometheus.MustNewConstMetric(m.bytes, prometheus.GaugeValue, float64(c.Bytes))
	out <- prometheus.MustNewConstMetric(m.waiting, prometheus.GaugeValue, float64(c.Queued))
}
