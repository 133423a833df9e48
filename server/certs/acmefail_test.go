package certs

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

func TestACMERenewal(t *testing.T) {
	r := newRig(t, 10*time.Second)
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
