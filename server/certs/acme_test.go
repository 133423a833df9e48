package certs

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/torchlit/torchlit/server/certs/acmetest"
)

const site = "photos.torchlit.test"

// event is a call of Told.
type event struct {
	host  string
	until time.Time
	err   error
}

// rig is a site with an authority, on one address through restarts.
type rig struct {
	authority *acmetest.Authority
	ln        net.Listener
	cache     string
	events    chan event
}

func newRig(t *testing.T, life time.Duration) *rig {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &rig{acmetest.Start(t, ln.Addr().(*net.TCPAddr).Port, life), ln, filepath.Join(t.TempDir(), "acme"), make(chan event, 100)}
}

// start opens the certificates of hosts. clientCA is a file, or "".
func (r *rig) start(t *testing.T, clientCA string, hosts ...string) *Certs {
	t.Helper()
	c, err := OpenACME(ACME{
		Hosts: hosts, Cache: r.cache, Email: "ops@torchlit.test", Directory: r.authority.Directory, Transport: r.authority.Transport(),
		Told: func(host string, until time.Time, err error) { r.events <- event{host, until, err} },
	}, clientCA, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	c.keeper.every, c.keeper.pause = 20*time.Millisecond, 20*time.Millisecond
	return c
}

// serve answers 200 on the rig's address until end, as a server does that closes what has acme-tls/1.
func (r *rig) serve(t *testing.T, c *Certs) (end func()) {
	t.Helper()
	file, err := r.ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.FileListener(file)
	_ = file.Close()
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		Handler:      http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "seen") }),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){acme.ALPNProto: func(_ *http.Server, nc *tls.Conn, _ http.Handler) { nc.Close() }},
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(tls.NewListener(ln, c.Config()))
	}()
	c.Begin()
	return sync.OnceFunc(func() {
		_ = s.Close()
		<-done
		c.Close()
	})
}

// ask is a request for a page of host, by a client that trusts the authority.
func (r *rig) ask(host string, certificates ...tls.Certificate) (*http.Response, error) {
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: r.authority.Roots(), Certificates: certificates},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, r.ln.Addr().String())
		},
	}}
	resp, err := client.Get("https://" + host + "/")
	if err == nil {
		_ = resp.Body.Close()
	}
	return resp, err
}

func (r *rig) next(t *testing.T) event {
	t.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is told for half a minute")
		panic("unreachable")
	}
}

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

// shake returns the names of the certificate that host has, for a client that looks at nothing.
func (r *rig) shake(host, protocol string) (string, error) {
	cfg := &tls.Config{ServerName: host, InsecureSkipVerify: true}
	if protocol != "" {
		cfg.NextProtos = []string{protocol}
	}
	nc, err := tls.Dial("tcp", r.ln.Addr().String(), cfg)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	return strings.Join(nc.ConnectionState().PeerCertificates[0].DNSNames, " "), nil
}

// private looks at who may read the keys.
func (r *rig) private(t *testing.T) {
	t.Helper()
	files := 0
	err := filepath.Walk(r.cache, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may use %s: %s", path, info.Mode())
		}
		if err == nil && !info.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files < 3 { // the account's key and two certificates
		t.Errorf("%d files, %v", files, err)
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

func TestACMERenewal(t *testing.T) {
	r := newRig(t, 7*time.Second)
	defer r.serve(t, r.start(t, "", site))()
	first := r.next(t)
	second := r.next(t)
	if second.err != nil { // it takes two seconds or more, which is late for such a certificate
		second = r.next(t)
	}
	if first.err != nil || second.err != nil || !second.until.After(first.until) {
		t.Errorf("got %+v, %+v", first, second)
	}
	for end := first.until.Add(time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err := r.ask(site); err != nil {
			t.Fatalf("%s before the end of the first certificate: %v", time.Until(first.until), err)
		}
	}
}

// A failure is told with its reason, and what is in force stays.
func TestACMELateRenewal(t *testing.T) {
	r := newRig(t, 6*time.Second)
	defer r.serve(t, r.start(t, "", site))()
	if e := r.next(t); e.err != nil {
		t.Fatal(e.err)
	}
	r.authority.SetDown(true)
	e := r.next(t)
	if e.err == nil || !strings.Contains(e.err.Error(), "cannot renew the certificate of \""+site) || !strings.Contains(e.err.Error(), "EOF") {
		t.Errorf("got %v", e.err)
	}
	if _, err := r.ask(site); err != nil && time.Now().Before(e.until) {
		t.Error(err)
	}
	time.Sleep(100 * time.Millisecond) // five looks
	if len(r.events) > 0 {
		t.Error("it is told again and again")
	}
}

// Without a certificate and without an authority the server runs, says why, and tries again.
func TestACMEDown(t *testing.T) {
	r := newRig(t, time.Hour)
	r.authority.SetDown(true)
	defer r.serve(t, r.start(t, "", site))()
	e := r.next(t)
	if e.err == nil || !strings.Contains(e.err.Error(), `cannot get a certificate for "photos.torchlit.test" from "https://127.0.0.1`) {
		t.Errorf("got %v", e.err)
	}
	began := time.Now()
	if _, err := r.ask(site); err == nil || time.Since(began) > patience/2 {
		t.Errorf("without a certificate: got %v after %s", err, time.Since(began))
	}
	r.authority.SetDown(false)
	for e.err != nil {
		e = r.next(t)
	}
	if resp, err := r.ask(site); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v, %v", resp, err)
	}
}

// What the authority has against a proof is told; nobody listens where it looks. Clients cannot make the server try again.
func TestACMERefused(t *testing.T) {
	r := newRig(t, time.Hour)
	c := r.start(t, "", site)
	c.keeper.pause = time.Hour
	r.ln.Close()
	c.Begin()
	defer c.Close()
	if e := r.next(t); e.err == nil || !strings.Contains(e.err.Error(), "Failed to connect to 127.0.0.1:") {
		t.Errorf("got %v", e.err)
	}
	orders := r.authority.Orders()
	for range 100 {
		if cert, err := c.keeper.certificate(&tls.ClientHelloInfo{ServerName: site}); err == nil {
			t.Fatalf("got %v", cert)
		}
	}
	if n := r.authority.Orders(); n != orders {
		t.Errorf("handshakes made %d orders", n-orders)
	}
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

func TestOpenACMETellsMistakes(t *testing.T) {
	good := ACME{Hosts: []string{site}, Cache: t.TempDir(), Directory: LetsEncrypt}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, []byte("x"))
	f := func(want string, change func(*ACME)) {
		t.Helper()
		a := good
		change(&a)
		if c, err := OpenACME(a, "", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %s", err, want)
			if err == nil {
				c.Close()
			}
		}
	}
	for _, host := range []string{"", "*.torchlit.test", "localhost", "10.0.0.1", "::1", "a.test:443", "https://a.test", "a..test", ".test", "a.test.", "a b.test"} {
		f("--acme-domains", func(a *ACME) { a.Hosts = []string{host} })
	}
	f("--acme-domains", func(a *ACME) { a.Hosts = nil })
	f("--acme-email", func(a *ACME) { a.Email = "nobody" })
	f("--acme-directory", func(a *ACME) { a.Directory = "http://acme.test/directory" })
	f("--acme-cache", func(a *ACME) { a.Cache = file })
	if _, err := OpenACME(good, "/nowhere", nil); err == nil || !strings.Contains(err.Error(), "--tls-client-ca") {
		t.Errorf("got %v", err)
	}
}

// Certificates of one authority are not served when another is asked.
func TestACMEFolders(t *testing.T) {
	a, b := ACME{Cache: t.TempDir(), Directory: LetsEncrypt}, ACME{Directory: "https://localhost:14000/dir"}
	b.Cache = a.Cache
	one, err := a.folder()
	two, err2 := b.folder()
	if err != nil || err2 != nil || one == two || filepath.Base(two) != "localhost_14000" {
		t.Errorf("got %q, %v and %q, %v", one, err, two, err2)
	}
}

func TestComplaint(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		if got := complaint([]byte(body)); got != want {
			t.Errorf("%s: got %q; want %q", body, got, want)
		}
	}
	f(`{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}`, "too many")
	f(`{"type":"urn:ietf:params:acme:error:badNonce","detail":"stale"}`, "")
	f(`{"status":"invalid","challenges":[{"type":"dns-01"},{"type":"tls-alpn-01","error":{"detail":"refused"}}]}`, "refused")
	f(`{"status":"invalid","error":{"detail":"no"}}`, "no")
	f(`{"status":"valid"}`, "")
	f("-----BEGIN CERTIFICATE-----", "")
	f("[]", "")
}
