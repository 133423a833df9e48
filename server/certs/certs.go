// Package certs has the certificates of a server, and follows the files that they are in.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/torchlit/torchlit/internal/reload"
)

// Files name what is read, in PEM.
type Files struct {
	Cert, Key string // the chain, the server's own certificate first, and its key
	ClientCA  string // of whom clients must have a certificate; "" to ask them for none
}

// Certs are the certificates as they were read last. Its methods may be called from any goroutine.
type Certs struct {
	files   Files
	current atomic.Pointer[tls.Config]
	end     func()
}

// Open reads the files and follows their changes until Close; changed is told of each, with what was wrong with it: then what was read before
// stays in force, as it does while a new certificate is there and its key is not yet.
func Open(files Files, changed func(error)) (*Certs, error) {
	paths := []string{files.Cert, files.Key}
	if files.ClientCA != "" {
		paths = append(paths, files.ClientCA)
	}
	c, before := &Certs{files: files}, reload.Look(paths...)
	if err := c.read(); err != nil {
		return nil, err
	}
	c.end = before.Watch(reload.Every, reload.Told(c.read, changed))
	return c, nil
}

func (c *Certs) read() error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("cannot use the certificate %q with the key %q: %w; check --tls-cert and --tls-key", c.files.Cert, c.files.Key, err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.files.ClientCA != "" {
		if cfg.ClientCAs, err = pool(c.files.ClientCA); err != nil {
			return fmt.Errorf("cannot use the clients' authority %q: %w; check --tls-client-ca", c.files.ClientCA, err)
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.current.Store(cfg)
	return nil
}

func pool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, errors.New("it has no certificate in PEM")
	}
	return p, nil
}

// Config is that of a listener: each handshake takes the certificates in force then. protocols are offered, the likeliest first.
func (c *Certs) Config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := c.current.Load()
			if len(protocols) == 0 {
				return now, nil
			}
			own := now.Clone()
			own.NextProtos = protocols
			return own, nil
		},
	}
}

// Close ends the following of the files.
func (c *Certs) Close() { c.end() }
