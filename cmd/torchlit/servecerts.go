package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/torchlit/torchlit/server/certs"
)

// checkCertificates finds ways to certificates that exclude each other.
func (s *serveSettings) checkCertificates() error {
	files := s.TLSCert != "" || s.TLSKey != ""
	switch {
	case files && s.ACMEDomains != "":
		return errors.New("--acme-domains gets certificates from an authority, --tls-cert and --tls-key name one that is there: leave out the one or the others")
	case s.ACMEHTTPAddr != "" && s.ACMEDomains == "":
		return errors.New("--acme-http-addr needs --acme-domains")
	case s.TLSClientCA != "" && !files && s.ACMEDomains == "":
		return errors.New("--tls-client-ca needs --tls-cert and --tls-key, or --acme-domains")
	}
	return nil
}

// openCerts returns nil for plain connections.
func (d *doors) openCerts(s *serveSettings, logger *zap.Logger) (*certs.Certs, error) {
	switch {
	case s.ACMEDomains != "":
		a, err := s.acme()
		if err != nil {
			return nil, err
		}
		a.Told = d.toldACME(logger)
		return certs.OpenACME(a, s.TLSClientCA, d.told(logger, "client_ca", s.TLSClientCA))
	case s.TLSCert != "" || s.TLSKey != "":
		return certs.Open(certs.Files{Cert: s.TLSCert, Key: s.TLSKey, ClientCA: s.TLSClientCA}, d.told(logger, "certificate", s.TLSCert))
	}
	return nil, nil
}

func (s *serveSettings) acme() (a certs.ACME, err error) {
	a = certs.ACME{Cache: s.ACMECache, Email: s.ACMEEmail, Directory: s.ACMEDirectory, HTTP: s.ACMEHTTPAddr != ""}
	for host := range strings.SplitSeq(s.ACMEDomains, ",") {
		if host = strings.TrimSpace(host); host != "" {
			a.Hosts = append(a.Hosts, host)
		}
	}
	if a.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return a, fmt.Errorf("cannot find a folder for certificates: %w; name one with --acme-cache", err)
		}
		a.Cache = filepath.Join(dir, "torchlit", "acme")
	}
	return a, nil
}

// toldACME counts and logs what comes of asking an authority.
func (d *doors) toldACME(logger *zap.Logger) func(string, time.Time, error) {
	ok, failed := d.reloads.WithLabelValues("acme", "ok"), d.reloads.WithLabelValues("acme", "failed")
	return func(host string, until time.Time, err error) {
		if err != nil {
			failed.Inc()
			logger.Error("a certificate cannot be had; one that is there stays in force", zap.String("host", host), zap.Error(err))
			return
		}
		ok.Inc()
		logger.Info("a certificate is in force", zap.String("host", host), zap.Time("until", until))
	}
}

// begin asks an authority for what is missing, now that the server listens where it will look, and answers its proofs by HTTP on ln, if
// that is not nil, until stop.
func (d *doors) begin(ln net.Listener, logger *zap.Logger) (stop func()) {
	if d.certs == nil {
		return func() {}
	}
	d.certs.Begin()
	return serveProofs(ln, d.certs.HTTP(), logger)
}

// tls is nil for plain connections.
func (d *doors) tls() *tls.Config {
	if d.certs == nil {
		return nil
	}
	return d.certs.Config()
}

// grpcTLS is tls for gRPC, which is HTTP/2 alone.
func (d *doors) grpcTLS() *tls.Config {
	if d.certs == nil {
		return nil
	}
	return d.certs.Config("h2")
}
