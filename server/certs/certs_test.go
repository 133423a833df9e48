package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// sign makes a certificate and its key in PEM.
func (a *authority) sign(t testing.TB, name string) (cert, key []byte) {
	t.Helper()
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"torchlit"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text})
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+"~", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

// shake shakes hands with a server of cfg, and returns the name of its certificate.
func shake(t testing.TB, cfg, client *tls.Config) (name string, err error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	served := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			served <- err
			return
		}
		s := tls.Server(nc, cfg)
		err = s.Handshake()
		_ = s.Close()
		served <- err
	}()
	nc, err := tls.Dial("tcp", ln.Addr().String(), client)
	if err != nil {
		return "", errors.Join(err, <-served)
	}
	defer nc.Close()
	_, _ = io.Copy(io.Discard, nc)
	return nc.ConnectionState().PeerCertificates[0].Subject.CommonName, <-served
}

// A changed pair of files is in force with the next handshake; while it is broken, the one before is.
func TestReload(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	files := Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	put := func(name string) {
		t.Helper()
		cert, key := a.sign(t, name)
		write(t, files.Cert, cert)
		write(t, files.Key, key)
	}
	put("first")
	changed := make(chan error, 10)
	c, err := Open(files, func(err error) { changed <- err })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	client := &tls.Config{RootCAs: a.pool, ServerName: "torchlit"}
	f := func(want string) {
		t.Helper()
		if name, err := shake(t, c.Config(), client); name != want || err != nil {
			t.Errorf("got %q, %v; want %q", name, err, want)
		}
	}
	f("first")
	cert, key := a.sign(t, "second")
	write(t, files.Cert, cert)
	if err := <-changed; err == nil || !strings.Contains(err.Error(), "check --tls-cert") {
		t.Errorf("got %v", err)
	}
	f("first")
	write(t, files.Key, key)
	if err := <-changed; err != nil {
		t.Error(err)
	}
	f("second")

	old := client.Clone()
	old.MaxVersion = tls.VersionTLS11
	old.MinVersion = tls.VersionTLS10
	if _, err := shake(t, c.Config(), old); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	h2 := client.Clone()
	h2.NextProtos = []string{"h2"}
	if _, err := shake(t, c.Config("h2"), h2); err != nil {
		t.Error(err)
	}
}

// With an authority for clients, those without its certificate are turned away.
func TestMutual(t *testing.T) {
	a, other, dir := newAuthority(t), newAuthority(t), t.TempDir()
	files := Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), ClientCA: filepath.Join(dir, "ca")}
	cert, key := a.sign(t, "server")
	write(t, files.Cert, cert)
	write(t, files.Key, key)
	write(t, files.ClientCA, a.pem)
	c, err := Open(files, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f := func(from *authority, ok bool) {
		t.Helper()
		client := &tls.Config{RootCAs: a.pool, ServerName: "torchlit"}
		if from != nil {
			cert, key := from.sign(t, "client")
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			client.Certificates = []tls.Certificate{pair}
		}
		if _, err := shake(t, c.Config(), client); (err == nil) != ok {
			t.Errorf("got %v; want %v", err, ok)
		}
	}
	f(a, true)
	f(other, false)
	f(nil, false)
}

func TestOpenTellsMistakes(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	cert, key := a.sign(t, "server")
	at := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, data)
		return path
	}
	for want, files := range map[string]Files{
		"check --tls-cert":      {Cert: at("c", cert), Key: "/nowhere"},
		"cannot use the cert":   {Cert: at("c", []byte("x")), Key: at("k", key)},
		"check --tls-client-ca": {Cert: at("c2", cert), Key: at("k2", key), ClientCA: at("ca", []byte("x"))},
	} {
		if _, err := Open(files, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("got %v; want %s", err, want)
		}
	}
}
