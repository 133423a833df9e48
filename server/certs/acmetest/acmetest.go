// Package acmetest is an authority for tests: Pebble, Let's Encrypt's own server for trying out clients, in this process, and a
// resolver to which all names lead to this machine. It is imported by tests alone.
package acmetest

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Leaves is the goroutine that an authority leaves behind, for goleak.IgnoreAnyFunction: Pebble's is made to live as long as the process.
const Leaves = "github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"

// Authority signs certificates for whoever answers its challenges on this machine. Its methods may be called from any goroutine.
type Authority struct {
	Directory string // URL
	Server    []byte // certificate of the directory's own server, in PEM

	front  *httptest.Server
	root   *x509.Certificate
	orders atomic.Int64
	down   atomic.Bool
}

// Start starts an authority, which ends with the test. It looks for hosts at tlsPort and, by plain HTTP, at httpPort, and its certificates are valid for
// life, in whole seconds.
func Start(t testing.TB, tlsPort, httpPort int, life time.Duration) *Authority {
	t.Helper()
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"} {
		t.Setenv(name, value)
	}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	signer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: uint64(life / time.Second)}})
	pebble := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, true, resolver(t), store), signer, nil, true, false, 0, 0)
	a := &Authority{root: signer.GetRootCert(0).Cert}
	a.front = httptest.NewUnstartedServer(a.watch(pebble.Handler()))
	a.front.Config.ErrorLog = quiet
	a.front.StartTLS()
	t.Cleanup(a.front.Close)
	a.Directory = a.front.URL + wfe.DirectoryPath
	a.Server = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.front.Certificate().Raw})
	return a
}

// watch counts orders, and breaks connections while the authority is down.
func (a *Authority) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.down.Load() {
			panic(http.ErrAbortHandler)
		}
		if strings.HasSuffix(r.URL.Path, "/order-plz") {
			a.orders.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}

// Orders is the number of certificates that were asked for.
func (a *Authority) Orders() int { return int(a.orders.Load()) }

// SetDown makes the directory break connections, or answer again.
func (a *Authority) SetDown(down bool) { a.down.Store(down) }

// Roots is a pool of the certificate that its certificates go back to. The caller owns it.
func (a *Authority) Roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.root)
	return p
}

// Transport trusts the directory's server. The caller owns it.
func (a *Authority) Transport() *http.Transport {
	return a.front.Client().Transport.(*http.Transport).Clone()
}

// resolver answers that every name is this machine, and returns its address.
func resolver(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		reply := new(dns.Msg).SetReply(question)
		if q := question.Question[0]; q.Qtype == dns.TypeA {
			reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(reply)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.ActivateAndServe()
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		_ = s.Shutdown()
		<-served
	})
	return ln.Addr().String()
}
