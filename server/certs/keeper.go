package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// A keeper has the certificates of hosts, and gets and renews them in the background. autocert would get them in the handshakes of clients; here
// no client makes the server ask an authority for anything, so that nobody can use up its limits, and a failure is told once, not to each
// client.
type keeper struct {
	acme   ACME
	cache  autocert.Cache
	hosts  []*host
	byName map[string]*host
	proof  *tls.Config // of a handshake by which an authority looks whether a name leads here

	every, pause time.Duration // between looks at a certificate, and before the first retry
	ctx          context.Context
	cancel       context.CancelFunc
	wg           sync.WaitGroup
}

const (
	lookEvery = 20 * time.Second
	// Let's Encrypt takes five failed proofs an hour for a name.
	firstPause   = 2 * time.Minute
	longestPause = time.Hour
	// patience is how long a handshake waits for the first look at its certificate.
	patience = 10 * time.Second
)

// host is one name and its certificate.
type host struct {
	name    string
	witness *witness
	manager atomic.Pointer[autocert.Manager]
	cert    atomic.Pointer[tls.Certificate]
	looked  chan struct{} // closed by the end of the first look

	// The keeper's goroutine has these to itself.
	pause time.Duration
	due   time.Time // of the next look
	told  time.Time // that the renewal is late
}

func newKeeper(a ACME) (*keeper, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	folder, err := a.folder()
	if err != nil {
		return nil, err
	}
	if a.Transport == nil {
		a.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	if a.Told == nil {
		a.Told = func(string, time.Time, error) {}
	}
	k := &keeper{acme: a, cache: autocert.DirCache(folder), byName: map[string]*host{}, every: lookEvery, pause: firstPause}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.proof = &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{acme.ALPNProto}, GetCertificate: k.token, SessionTicketsDisabled: true,
	}
	for _, name := range a.Hosts {
		h := &host{name: name, witness: &witness{ctx: k.ctx, base: a.Transport}, looked: make(chan struct{})}
		h.manager.Store(k.manage(h))
		k.hosts, k.byName[name] = append(k.hosts, h), h
	}
	return k, nil
}

// manage makes a manager for h. One that has failed to get a certificate says so for a minute whatever happens, so each try has its own; the
// cache is what they share.
func (k *keeper) manage(h *host) *autocert.Manager {
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: k.cache, HostPolicy: autocert.HostWhitelist(h.name), Email: k.acme.Email,
		Client: &acme.Client{
			DirectoryURL: k.acme.Directory, UserAgent: "torchlit", RetryBackoff: retryBackoff, HTTPClient: &http.Client{Transport: h.witness},
		},
	}
	if k.acme.HTTP {
		m.HTTPHandler(nil) // by which it knows
	}
	return m
}

// retryBackoff repeats a request a few times; after that the keeper's pauses count.
func retryBackoff(n int, _ *http.Request, _ *http.Response) time.Duration {
	if n > 4 {
		return 0
	}
	return time.Duration(n) * 250 * time.Millisecond
}

var errNotYet = errors.New("no certificate was got for this host yet")

// certificate is GetCertificate of a tls.Config. A client that asks for a host that is not listed gets none; one that names none, as the
// probes of an orchestrator do, gets the first.
func (k *keeper) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	h := k.hosts[0]
	if hello.ServerName != "" {
		if h = k.byName[strings.ToLower(hello.ServerName)]; h == nil {
			return nil, nil // an alert tells the client that the name is unknown
		}
	}
	if cert := h.cert.Load(); cert != nil {
		return cert, nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-h.looked:
	case <-timer.C:
	case <-k.ctx.Done():
	}
	if cert := h.cert.Load(); cert != nil {
		return cert, nil
	}
	return nil, errNotYet
}

// token is GetCertificate for an authority that looks whether a name leads here. Another process with the same cache may have sent it.
func (k *keeper) token(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	h := k.byName[strings.ToLower(hello.ServerName)]
	if h == nil {
		return nil, nil
	}
	return h.manager.Load().GetCertificate(hello) // orders nothing for this protocol
}

func (k *keeper) begin() {
	k.wg.Go(func() {
		tick := time.NewTicker(k.every)
		defer tick.Stop()
		for {
			for _, h := range k.hosts {
				if now := time.Now(); !now.Before(h.due) && k.ctx.Err() == nil {
					k.look(h)
				}
			}
			select {
			case <-k.ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

func (k *keeper) close() {
	k.cancel()
	k.wg.Wait()
	k.acme.Transport.CloseIdleConnections()
}

// look takes h's certificate from its manager, which has it in memory or in the cache, or else gets it.
func (k *keeper) look(h *host) {
	cert, err := k.get(h)
	switch {
	case k.ctx.Err() != nil:
		return
	case err != nil:
		k.failed(h, err)
	default:
		k.have(h, cert)
	}
	select {
	case <-h.looked:
	default:
		close(h.looked)
	}
}

// get is the manager's GetCertificate, which may take minutes and knows of no end, but is not waited for after close: its next request fails.
func (k *keeper) get(h *host) (*tls.Certificate, error) {
	type result struct {
		cert *tls.Certificate
		err  error
	}
	got := make(chan result, 1)
	go func() {
		cert, err := h.manager.Load().GetCertificate(&tls.ClientHelloInfo{
			ServerName: h.name, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, // for a key of the kind that all clients take
		})
		got <- result{cert, err}
	}()
	select {
	case r := <-got:
		return r.cert, r.err
	case <-k.ctx.Done():
		return nil, k.ctx.Err()
	}
}

func (k *keeper) failed(h *host, err error) {
	h.pause = min(max(k.pause, 2*h.pause), longestPause)
	h.due = time.Now().Add(h.pause)
	h.manager.Store(k.manage(h))
	if trouble := h.witness.trouble(); trouble != "" && !strings.Contains(err.Error(), trouble) {
		err = fmt.Errorf("%w: %s", err, trouble)
	}
	k.acme.Told(h.name, time.Time{}, fmt.Errorf("cannot get a certificate for %q from %q: %w; that name's port 443 must lead to this server's TLS port, "+
		"or its port 80 to --acme-http-addr, and the directory be reachable from here (--acme-domains, --acme-directory); the next try is in %s", h.name, k.acme.Directory, err, h.pause))
}

// have puts cert into force. autocert renews it in the background when a third of its time is left, or 30 days; when that is overdue, it has failed.
func (k *keeper) have(h *host, cert *tls.Certificate) {
	h.pause = 0
	leaf := cert.Leaf
	if before := h.cert.Load(); before == nil || !before.Leaf.Equal(leaf) {
		h.cert.Store(cert)
		h.told = time.Time{}
		k.acme.Told(h.name, leaf.NotAfter, nil)
	}
	threshold := min(leaf.NotAfter.Sub(leaf.NotBefore)/3, 30*24*time.Hour)
	if time.Until(leaf.NotAfter) > threshold*3/4 || time.Since(h.told) < longestPause {
		return
	}
	h.told = time.Now()
	why := h.witness.trouble()
	if why == "" {
		why = "the authority has not been asked"
	}
	k.acme.Told(h.name, leaf.NotAfter, fmt.Errorf("cannot renew the certificate of %q, which ends at %s: %s; that name's port 443 must lead to this server's "+
		"TLS port, or its port 80 to --acme-http-addr, and the directory be reachable from here (--acme-domains, --acme-directory)", h.name, leaf.NotAfter.Format(time.RFC3339), why))
}
