package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// selfSigned is a certificate for 127.0.0.1, and what trusts it.
func selfSigned(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// Under TLS requests are answered, connections counted and deadlines kept as without it, and a drain loses nothing.
func TestTLS(t *testing.T) {
	cert, pool := selfSigned(t)
	s, addr := openTCP(t, Config{HeaderTimeout: 300 * time.Millisecond, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	post := func() int {
		t.Helper()
		resp, err := client.Post("https://"+addr+"/v1/classify", "image/png", bytes.NewReader(pngOf(picture(8, 8, red))))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
		return resp.StatusCode
	}
	for range 3 {
		if status := post(); status != 200 {
			t.Errorf("got %d", status)
		}
	}
	if n := s.conns.count(); n != 1 {
		t.Errorf("%d connections are open", n)
	}

	silent := dialTo(t, s) // never says hello
	var b [64]byte
	if n, err := silent.Read(b[:]); err == nil {
		t.Errorf("a client that says nothing got %q", b[:n])
	}
	plain := dialTo(t, s)
	if _, err := plain.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_, _ = plain.Read(b[:]) // an alert, or nothing
	for s.conns.count() > 1 {
		time.Sleep(time.Millisecond)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Error(err)
	}
}

// A handshake by which a certificate authority looks whether a name leads here opens no door: it needs no client's certificate.
func TestNothingAfterAProof(t *testing.T) {
	cert, _ := selfSigned(t)
	s, addr := openTCP(t, Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1", proofProtocol}}})
	f := func(protocol string, answers bool) {
		t.Helper()
		nc, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_, _ = nc.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
		_ = nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		var b [1]byte
		if n, err := nc.Read(b[:]); n > 0 != answers || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: read %d bytes, %v", protocol, n, err)
		}
	}
	f("http/1.1", true)
	f(proofProtocol, false)
	for s.conns.count() > 0 {
		time.Sleep(time.Millisecond)
	}
}
