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
	http      bool
}

func newRig(t *testing.T, life time.Duration) *rig {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &rig{acmetest.Start(t, ln.Addr().(*net.TCPAddr).Port, 1, life), ln, filepath.Join(t.TempDir(), "acme"), make(chan event, 100), false}
}

// start opens the certificates of hosts. clientCA is a file, or "".
func (r *rig) start(t *testing.T, clientCA string, hosts ...string) *Certs {
	t.Helper()
	c, err := OpenACME(ACME{
		Hosts: hosts, Cache: r.cache, Email: "ops@torchlit.test", Directory: r.authority.Directory, Transport: r.authority.Transport(), HTTP: r.http,
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
