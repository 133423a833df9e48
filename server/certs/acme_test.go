package certs

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/torchlit/torchlit/server/certs/acmetest"
)

// A certificate is got by a proof on the server's own listener, kept, and used again after a restart, also while the authority is away.
func TestACME(t *testing.T) {
	r := newRig(t, time.Hour)
	end := r.serve(t, r.start(t, "", site, "Other.torchlit.test"))
	defer end()
	for _, host := range []string{site, strings.ToUpper(site), "other.torchlit.test"} {
		resp, err := r.ask(host) // the first comes before its certificate is there
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: got %v, %v", host, resp, err)
		}
	}
	if e := r.next(t); e.host != site || e.err != nil || time.Until(e.until) < 58*time.Minute {
		t.Errorf("got %+v", e)
	}
	if n := r.authority.Orders(); n != 2 {
		t.Errorf("%d orders; want 2", n)
	}
	_, err := r.ask("stranger.torchlit.test")
	if err == nil || !strings.Contains(err.Error(), "tls: unrecognized name") {
		t.Errorf("a host that is not listed: got %v", err)
	}
	if _, err := r.shake("stranger.torchlit.test", acme.ALPNProto); err == nil {
		t.Error("a proof for a host that is not listed")
	}
	if names, err := r.shake("", ""); err != nil || names != site {
		t.Errorf("a client that names no host got %q, %v", names, err)
	}
	end()
	r.private(t)

	r.authority.SetDown(true)
	end = r.serve(t, r.start(t, "", site))
	defer end()
	if resp, err := r.ask(site); err != nil || resp.StatusCode != 200 {
		t.Errorf("after a restart: got %v, %v", resp, err)
	}
	if n := r.authority.Orders(); n != 2 {
		t.Errorf("%d orders after a restart; want none", n-2)
	}
}

// The authority needs no client's certificate for its proof, and all others do.
func TestACMEMutual(t *testing.T) {
	r, clients := newRig(t, time.Hour), newAuthority(t)
	ca := filepath.Join(t.TempDir(), "ca")
	write(t, ca, clients.pem)
	c := r.start(t, ca, site)
	defer r.serve(t, c)()
	cert, key := clients.sign(t, "client")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := r.ask(site, pair); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v, %v", resp, err)
	}
	if resp, err := r.ask(site); err == nil {
		t.Errorf("a client without a certificate got %s", resp.Status)
	}
	f := func(want tls.ClientAuthType, protocols ...string) { // TLS 1.3 would hide this: there the client is done before the server has looked
		t.Helper()
		cfg, err := c.Config("h2").GetConfigForClient(&tls.ClientHelloInfo{SupportedProtos: protocols})
		if err != nil || cfg.ClientAuth != want {
			t.Errorf("%q: got %v, %v; want %v", protocols, cfg.ClientAuth, err, want)
		}
	}
	f(tls.NoClientCert, acme.ALPNProto)
	f(tls.RequireAndVerifyClientCert, acme.ALPNProto, "h2")
	f(tls.RequireAndVerifyClientCert, "h2")
	f(tls.RequireAndVerifyClientCert)
}

// Where nobody answers at the TLS port, the proof is by plain HTTP.
func TestACMEByHTTP(t *testing.T) {
	r := newRig(t, time.Hour)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.authority, r.http = acmetest.Start(t, 1, ln.Addr().(*net.TCPAddr).Port, time.Hour), true
	c := r.start(t, "", site)
	plain := &http.Server{Handler: c.HTTP()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = plain.Serve(ln)
	}()
	defer func() {
		_ = plain.Close()
		<-done
	}()
	defer r.serve(t, c)()
	if resp, err := r.ask(site); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v, %v", resp, err)
	}
	f := func(host, path string, status int, location string) {
		t.Helper()
		w := httptest.NewRecorder()
		c.HTTP().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://"+host+path, nil))
		if w.Code != status || w.Header().Get("Location") != location {
			t.Errorf("%s%s: got %d, %q", host, path, w.Code, w.Header())
		}
	}
	f(site, "/docs?x=1", http.StatusFound, "https://"+site+"/docs?x=1")
	f(strings.ToUpper(site)+":80", "/", http.StatusFound, "https://"+site+"/")
	f(site, "/.well-known/acme-challenge/none", http.StatusNotFound, "")
	f(site, "/.well-known/acme-challenge/..%2facme_account+key", http.StatusNotFound, "")
	f("stranger.torchlit.test", "/", http.StatusMisdirectedRequest, "")
	f("stranger.torchlit.test", "/.well-known/acme-challenge/none", http.StatusMisdirectedRequest, "")
}

// The authority's handshake may come to another process than the one that waits for it, as when one replaces another.
func TestACMESharedCache(t *testing.T) {
	r := newRig(t, time.Hour)
	asks := r.start(t, "", site)
	defer asks.Close()
	listens := r.start(t, "", site, "other.torchlit.test")
	listens.keeper.hosts = nil // gets nothing itself
	defer r.serve(t, listens)()
	asks.Begin()
	if e := r.next(t); e.err != nil {
		t.Error(e.err)
	}
}
