package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/monitor/detector"
	"github.com/torchlit/torchlit/monitor/watch"
	"github.com/torchlit/torchlit/monitor/webhook"
)

// endWebhook is how long the end waits for an alarm that is being sent.
const endWebhook = 5 * time.Second

// openWebhook opens the hook of --drift-webhook; it returns nil without.
func openWebhook(settings serveSettings, logger *zap.Logger) (*webhook.Hook, error) {
	if !settings.Monitor || settings.DriftWebhook == "" {
		return nil, nil
	}
	h, err := webhook.New(settings.DriftWebhook, webhook.Config{SecretFile: settings.DriftWebhookSecret, Report: reportTo(logger)})
	if err != nil {
		return nil, fmt.Errorf("%w (--drift-webhook)", err)
	}
	return h, nil
}

// reportTo logs what fails as an error, and that it is well again as information.
func reportTo(logger *zap.Logger) func(what string, err error) {
	return func(what string, err error) {
		if err == nil {
			logger.Info(what)
			return
		}
		logger.Error(what, zap.Error(err))
	}
}

func closeWebhook(h *webhook.Hook) {
	if h != nil {
		ctx, cancel := context.WithTimeout(context.Background(), endWebhook)
		defer cancel()
		h.Close(ctx)
	}
}

func registerWebhook(r prometheus.Registerer, h *webhook.Hook) {
	if h == nil {
		return
	}
	counter := func(name, help string, n func() uint64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "torchlit_drift_webhook_" + name, Help: help}, func() float64 { return float64(n()) }))
	}
	counter("sent_total", "Changes of alarms that the webhook's address has taken.", func() uint64 { sent, _ := h.Counts(); return sent })
	counter("lost_total", "Changes of alarms that the webhook's address did not take.", func() uint64 { _, lost := h.Counts(); return lost })
}

// event is an alarm's change for the webhook.
func event(s *watch.Status, dashboard string) webhook.Event {
	newest := s.Newest()
	e := webhook.Event{
		Kind: webhook.Cleared, Model: s.Model, Version: s.Version, Since: s.Alarm.Since, Windows: s.InRow,
		Answers: newest.Answers, Detector: newest.Detector, P: newest.P, Moved: moved(newest), Dashboard: dashboard,
	}
	if s.Alarm.Raised {
		e.Kind = webhook.Alarm
	}
	if s.Reference != nil {
		e.Estimate = &webhook.Estimate{
			Estimated: newest.Estimate.Accuracy, Low: newest.Estimate.Low, High: newest.Estimate.High,
			Reference: s.Reference.Accuracy, Unsure: newest.Estimate.Unsure,
		}
	}
	return e
}

const (
	// toldMoves is how many properties and classes an alarm names of each.
	toldMoves = 3
	// toldShare is by how much a class's share must have moved to be told.
	toldShare = 0.03
)

// moved is what moved furthest in a window.
func moved(r *detector.Result) []webhook.Moved {
	var out []webhook.Moved
	for _, p := range r.Properties[:min(toldMoves, len(r.Properties))] {
		if p.P <= 0.01 {
			out = append(out, webhook.Moved{Name: p.Property, Reference: p.Reference, Window: p.Window})
		}
	}
	for _, c := range r.Classes[:min(toldMoves, len(r.Classes))] {
		if d := c.Window - c.Reference; d > toldShare || d < -toldShare {
			out = append(out, webhook.Moved{Name: "class " + c.Label, Reference: c.Reference, Window: c.Window, Share: true})
		}
	}
	return out
}
