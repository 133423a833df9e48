package certs

import (
	"path/filepath"
	"strings"
	"testing"
)

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
