package main

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/torchlit/torchlit/server"
	"github.com/torchlit/torchlit/server/access"
	"github.com/torchlit/torchlit/server/certs"
)

// doors are what decides who gets in: keys and certificates, read from files that are followed, or got from an authority.
type doors struct {
	api, admin *access.Keys // nil for none
	certs      *certs.Certs // nil for plain HTTP
	reloads    *prometheus.CounterVec
}

// openDoors reads the files that settings name.
func openDoors(settings *serveSettings, logger *zap.Logger) (d *doors, err error) {
	d = &doors{reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "torchlit_reloads_total", Help: "Changes of files that the server follows, by what they hold, and of certificates that it gets (acme), and result: ok or failed.",
	}, []string{"what", "result"})}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if path := settings.APIKeyFile; path != "" {
		if d.api, err = access.Open(path, d.told(logger, "api_keys", path)); err != nil {
			return nil, fmt.Errorf("%w; name a file with --api-key-file", err)
		}
	}
	if path := settings.AdminKeyFile; path != "" {
		if d.admin, err = access.OpenPlain(path, d.told(logger, "admin_keys", path)); err != nil {
			return nil, fmt.Errorf("%w; name a file with --admin-key-file", err)
		}
	}
	d.certs, err = d.openCerts(settings, logger)
	return d, err
}

// told counts and logs a change of a file.
func (d *doors) told(logger *zap.Logger, what, path string) func(error) {
	ok, failed := d.reloads.WithLabelValues(what, "ok"), d.reloads.WithLabelValues(what, "failed")
	return func(err error) {
		if err != nil {
			failed.Inc()
			logger.Error("a changed file cannot be used; what was read before stays in force", zap.String("what", what), zap.String("file", path), zap.Error(err))
			return
		}
		ok.Inc()
		logger.Info("a changed file is in force", zap.String("what", what), zap.String("file", path))
	}
}

// guard puts the doors into cfg.
func (d *doors) guard(cfg *server.Config, settings *serveSettings) {
	cfg.APIKeys, cfg.AdminKeys = d.api, d.admin
	cfg.TLS = d.tls()
	cfg.AdminApart = settings.AdminAddr != ""
	for origin := range strings.SplitSeq(settings.CORSOrigins, ",") {
		if origin = strings.TrimSpace(origin); origin != "" {
			cfg.CORSOrigins = append(cfg.CORSOrigins, origin)
		}
	}
}

func (d *doors) close() {
	if d.api != nil {
		d.api.Close()
	}
	if d.admin != nil {
		d.admin.Close()
	}
	if d.certs != nil {
		d.certs.Close()
	}
}
