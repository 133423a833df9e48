// Package certs has the certificates of a server: from files, which it follows, or from an authority by ACME.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/crypto/acme"

	"github.com/torchlit/torchlit/internal/reload"
)

// Files name what is read, in PEM.
type Files struct {
	Cert, Key string // the chain, the server's own certificate first, and its key
	ClientCA  string // of whom clients must have a certificate; "" to ask them for none
}

// Certs are the certificates as they were read or got last. Its methods may be called from any goroutine.
type Certs struct {
	files   Files
	keeper  *keeper // nil: the server's own certificate is in a file
	current atomic.Pointer[tls.Config]
	end     func()
}

// Open reads the files and follows their changes until Close; changed is told of each, with what was wrong with it: then what was read before
// stays in force, as it does while a new certificate is there and its key is not yet.
func Open(files Files, changed func(error)) (*Certs, error) {
	return follow(&Certs{files: files}, changed)
}

// OpenACME gets the server's certificates from an authority, and asks clients for one of clientCA, if that is not "": this file is followed,
// and changed told of its changes, as by Open. Nothing is asked of the authority before Begin. An error is one of a, of the folder
// or of the file, never of the authority.
func OpenACME(a ACME, clientCA string, changed func(error)) (*Certs, error) {
	k, err := newKeeper(a)
	if err != nil {
		return nil, err
	}
	return follow(&Certs{files: Files{ClientCA: clientCA}, keeper: k}, changed)
}

func follow(c *Certs, changed func(error)) (*Certs, error) {
	paths := slices.DeleteFunc([]string{c.files.Cert, c.files.Key, c.files.ClientCA}, func(p string) bool { return p == "" })
	before := reload.Look(paths...)
	if err := c.read(); err != nil {
		return nil, err
	}
	c.end = before.Watch(reload.Every, reload.Told(c.read, changed))
	return c, nil
}

func (c *Certs) read() error {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	err := c.own(cfg)
	if err != nil {
		return err
	}
	if c.files.ClientCA != "" {
		if cfg.ClientCAs, err = pool(c.files.ClientCA); err != nil {
			return fmt.Errorf("cannot use the clients' authority %q: %w; check --tls-client-ca", c.files.ClientCA, err)
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.current.Store(cfg)
	return nil
}

// own gives cfg the server's own certificate.
func (c *Certs) own(cfg *tls.Config) error {
	if c.keeper != nil {
		cfg.GetCertificate = c.keeper.certificate
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("cannot use the certificate %q with the key %q: %w; check --tls-cert and --tls-key", c.files.Cert, c.files.Key, err)
	}
	cfg.Certificates = []tls.Certificate{pair}
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
//
// An authority proves by a handshake of the protocol acme-tls/1 that a name leads here (RFC 8737). It has no certificate that clients need, so
// whoever serves the listener must close a connection of this protocol and answer nothing on it.
func (c *Certs) Config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if c.keeper != nil && slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
				return c.keeper.proof, nil
			}
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

// Begin gets the certificates that are not there yet and renews those that are, from now on until Close, if they come by ACME. A listener with
// Config must be open by then: that is where the authority looks. It returns at once, and is called once.
func (c *Certs) Begin() {
	if c.keeper != nil {
		c.keeper.begin()
	}
}

// Close ends the following of the files and the work with the authority. An order that is under way is given up.
func (c *Certs) Close() {
	c.end()
	if c.keeper != nil {
		c.keeper.close()
	}
}
