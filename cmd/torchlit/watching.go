package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/reference"
	"github.com/torchlit/torchlit/monitor/watch"
	"github.com/torchlit/torchlit/server"
)

// driftWatch is the watcher of a server's prediction log. A nil one watches nothing.
type driftWatch struct {
	*watch.Watcher
	log *zap.Logger

	mu      sync.Mutex
	watched map[*server.Holds]string // what is watched: a loading, and "model version"
}

// lateScore scores answers once there is a watcher, which is opened after the log that asks.
type lateScore struct{ watcher atomic.Pointer[watch.Watcher] }

func (s *lateScore) score(a *monitor.Answer) float32 {
	if w := s.watcher.Load(); w != nil {
		return w.Score(a)
	}
	return notScored
}

var notScored = monitor.NoImage().Brightness // NaN

// openDriftWatch watches the log. changed hears of alarms.
func openDriftWatch(settings serveSettings, log watch.Log, logger *zap.Logger, changed func(watch.Status)) (*driftWatch, error) {
	cfg := settings.drift()
	cfg.Log = log
	cfg.Changed = func(s watch.Status) {
		logAlarm(logger, &s)
		changed(s)
	}
	cfg.Report = reportTo(logger)
	w, err := watch.Open(cfg)
	if err != nil {
		return nil, err
	}
	return &driftWatch{Watcher: w, log: logger, watched: map[*server.Holds]string{}}, nil
}

func logAlarm(logger *zap.Logger, s *watch.Status) {
	newest := s.Newest()
	fields := []zap.Field{
		zap.String("model", s.Model), zap.String("version", s.Version), zap.String("detector", newest.Detector), zap.String("p", fmt.Sprintf("%.2g", newest.P)),
		zap.Float64("estimated_accuracy", newest.Estimate.Accuracy), zap.Bool("unsure", newest.Estimate.Unsure),
	}
	if s.Alarm.Raised {
		logger.Warn("drift: the images no longer look like those that the model was measured on", fields...)
		return
	}
	logger.Info("no drift any more", fields...)
}

// drift are the watcher's settings.
func (s *serveSettings) drift() watch.Config {
	return watch.Config{
		Window: s.DriftWindow, InRow: s.DriftInRow, Interval: s.DriftInterval,
		Options: detector.Options{Alpha: s.DriftAlpha, Ignore: splitList(s.DriftIgnore)},
	}
}

// follow watches the versions that serve, and no others.
func (d *driftWatch) follow(live []*loadedModel) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := map[*server.Holds]string{}
	serving := map[string]bool{}
	for _, m := range live {
		now[m.Holds] = m.Name + " " + m.Version
		serving[now[m.Holds]] = true
		if _, known := d.watched[m.Holds]; !known {
			d.Add(m.Name, m.Version, m.reference)
		}
	}
	for _, m := range d.Statuses() {
		if !serving[m.Model+" "+m.Version] {
			d.Remove(m.Model, m.Version)
		}
	}
	d.watched = now
}

// loadReference reads the reference of a version. One that cannot be read is no reason not to serve it.
func (m *servedModels) loadReference(p *pipeline, name, version string) *reference.Reference {
	if !m.settings.Monitor {
		return nil
	}
	r, err := referenceOf(p.folder)
	fields := []zap.Field{zap.String("model", name), zap.String("version", version)}
	switch {
	case err != nil:
		m.log.Error("drift is not watched for: the reference cannot be read", append(fields, zap.Error(err))...)
	case r == nil:
		m.log.Warn("drift is not watched for: the model has no reference; make one with torchlit export --reference", fields...)
	}
	return r
}

// stats is what /v1/stats says of a version.
func (d *driftWatch) stats(model, version string) *server.Drift {
	s, ok := d.Status(model, version)
	if !ok || s.Newest() == nil {
		return nil
	}
	newest := s.Newest()
	return &server.Drift{Score: newest.Test(newest.Detector).Score, Detected: s.Alarm.Raised, Detector: newest.Detector}
}

// status is what GET /v1/models/{m}/drift answers.
func (d *driftWatch) status(model, version string) (any, bool) {
	s, ok := d.Status(model, version)
	return s, ok
}

// watchedLog is a prediction log as the watcher asks it. A reader is opened for each question: so it reads what is there now, also after a
// damaged file was replaced.
type watchedLog struct{ *predlog.Log }

func (l *watchedLog) with(ctx context.Context, f func(*predlog.Reader) error) error {
	r, err := l.OpenReader(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	return f(r)
}

// Span implements watch.Log.
func (l *watchedLog) Span(ctx context.Context, by predlog.Filter) (s predlog.Span, err error) {
	err = l.with(ctx, func(r *predlog.Reader) error { s, err = r.Span(ctx, by); return err })
	return s, err
}

// Each implements watch.Log.
func (l *watchedLog) Each(ctx context.Context, by predlog.Filter, pictures bool, f func(*predlog.Stored) error) error {
	return l.with(ctx, func(r *predlog.Reader) error { return r.Each(ctx, by, pictures, f) })
}

// Labels implements watch.Log.
func (l *watchedLog) Labels(ctx context.Context, by predlog.Filter) (labels predlog.Labels, err error) {
	err = l.with(ctx, func(r *predlog.Reader) error { labels, err = r.Labels(ctx, by); return err })
	return labels, err
}

// Performance implements watch.Log.
func (l *watchedLog) Performance(ctx context.Context, by predlog.Filter, f func(*predlog.Outcome) error) error {
	return l.with(ctx, func(r *predlog.Reader) error { return r.Performance(ctx, by, f) })
}

// Windows implements watch.Log.
func (l *watchedLog) Windows(ctx context.Context, by predlog.Filter, newest int) (all []predlog.Window, err error) {
	err = l.with(ctx, func(r *predlog.Reader) error { all, err = r.Windows(ctx, by, newest); return err })
	return all, err
}

// Compare implements watch.Log.
func (l *watchedLog) Compare(ctx context.Context, by predlog.Filter, version, other string) (c predlog.Comparison, err error) {
	err = l.with(ctx, func(r *predlog.Reader) error { c, err = r.Compare(ctx, by, version, other); return err })
	return c, err
}

// validateDrift finds settings of the watcher that cannot work.
func (s *serveSettings) validateDrift() error {
	c := s.drift()
	if err := c.Validate(); err != nil {
		return fmt.Errorf("%w (--drift-…)", err)
	}
	return nil
}
