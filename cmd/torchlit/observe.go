package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/monitor/predlog"
	"github.com/torchlit/torchlit/monitor/watch"
	"github.com/torchlit/torchlit/monitor/webhook"
	"github.com/torchlit/torchlit/server"
)

// observers are what watches the server's requests beside its metrics and its log. All may be nil.
type observers struct {
	tracing *sdktrace.TracerProvider
	access  *accessLog
	log     *zap.Logger

	predictions *predlog.Log
	drift       *driftWatch
	hook        *webhook.Hook
}

// openObservers opens those that are asked for.
func openObservers(ctx context.Context, settings serveSettings, logger *zap.Logger) (*observers, error) {
	o := &observers{log: logger}
	var err error
	if o.access, err = openAccessLog(settings, logger); err != nil {
		return nil, err
	}
	if o.tracing, err = openTracing(ctx, settings, logger); err != nil {
		o.close()
		return nil, err
	}
	if err := o.openMonitor(settings, logger); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// openMonitor opens the prediction log and what watches it.
func (o *observers) openMonitor(settings serveSettings, logger *zap.Logger) (err error) {
	var late lateScore
	if o.predictions, err = openPredictionLog(settings, logger, late.score); err != nil || o.predictions == nil {
		return err
	}
	if settings.MonitorVectors == 0 {
		logger.Warn("drift is not watched for: without probabilities there is nothing to compare; leave out --monitor-vectors=0")
	}
	if o.hook, err = openWebhook(settings, logger); err != nil {
		return err
	}
	changed := func(s watch.Status) {
		if o.hook != nil {
			o.hook.Send(event(&s, settings.DriftDashboard))
		}
	}
	if o.drift, err = openDriftWatch(settings, &watchedLog{o.predictions}, logger, changed); err != nil {
		return err
	}
	late.watcher.Store(o.drift.Watcher)
	return nil
}

// register shows what was lost.
func (o *observers) register(r prometheus.Registerer) {
	if o.drift != nil {
		r.MustRegister(newDriftMetrics(o.drift.Statuses))
	}
	registerWebhook(r, o.hook)
	if o.access == nil {
		return
	}
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "torchlit_access_log_lost_total", Help: "Lines of the access log that could not be written: the disk was full, or nobody read the pipe.",
	}, func() float64 { return float64(o.access.lines.Lost()) }))
}

// watch has requests to a server with this configuration told to them.
func (o *observers) watch(cfg *server.Config) {
	if o.tracing != nil {
		cfg.Tracer = o.tracing
	}
	if o.access != nil {
		cfg.AccessLog = o.access.AccessLog
	}
	if o.predictions != nil {
		cfg.PredictionLog = o.predictions
		cfg.Pictures = o.pictures
	}
	if o.drift != nil {
		cfg.Drift, cfg.DriftStatus = o.drift.stats, o.drift.status
	}
}

// close sends and writes what is left. No request may be under way.
func (o *observers) close() {
	if o.drift != nil {
		o.drift.Close()
	}
	closeWebhook(o.hook)
	if o.predictions != nil {
		ctx, cancel := context.WithTimeout(context.Background(), flushPredictions)
		defer cancel()
		if err := o.predictions.Close(ctx); err != nil {
			o.log.Error("answers are lost", zap.Error(err))
		}
	}
	if o.tracing != nil {
		closeTracing(o.tracing, flushTraces, o.log)
	}
	if o.access == nil {
		return
	}
	if err := o.access.close(); err != nil {
		o.log.Warn("cannot write the last lines of the access log", zap.Error(err))
	}
}
