package certs

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/net/idna"
)

// LetsEncrypt is the directory of Let's Encrypt, whose certificates browsers trust.
const LetsEncrypt = acme.LetsEncryptURL

// ACME says for which hosts certificates are got, and from whom (RFC 8555). Who uses it agrees to the authority's terms of service.
type ACME struct {
	Hosts     []string // full names, without wildcards; a client that names none gets the certificate of the first
	Cache     string   // folder of keys and certificates, made if need be; several processes may share it
	Email     string   // whom the authority may write to; "" for nobody
	Directory string   // https URL of the authority's directory
	HTTP      bool     // prove by plain HTTP, too, when that by TLS fails: Certs.HTTP is served at port 80 of the hosts

	// Told is told, from one goroutine, of each certificate that comes into force and until when it is valid, and of each failure to get or
	// renew one. May be nil.
	Told func(host string, until time.Time, err error)
	// Transport carries the requests to the authority. nil for one like http.DefaultTransport.
	Transport *http.Transport
}

// check puts the hosts into the form that handshakes have, and finds what cannot work.
func (a *ACME) check() error {
	hosts := make([]string, 0, len(a.Hosts))
	for _, h := range a.Hosts {
		ascii, err := hostName(h)
		if err != nil {
			return fmt.Errorf("cannot get a certificate for %q: %w; name hosts such as photos.example.com in --acme-domains", h, err)
		}
		if !slices.Contains(hosts, ascii) {
			hosts = append(hosts, ascii)
		}
	}
	if a.Hosts = hosts; len(hosts) == 0 {
		return errors.New("cannot get certificates for no host; name one in --acme-domains")
	}
	if _, err := mail.ParseAddress(a.Email); a.Email != "" && err != nil {
		return fmt.Errorf("cannot give %q as an address to write to: %w; check --acme-email", a.Email, err)
	}
	return nil
}

func hostName(name string) (ascii string, err error) {
	if strings.HasPrefix(name, "*.") {
		return "", errors.New("wildcards need a proof by DNS, which the server cannot give")
	}
	if ascii, err = idna.Lookup.ToASCII(name); err != nil {
		return "", err
	}
	if net.ParseIP(ascii) != nil || strings.Contains(ascii, ":") {
		return "", errors.New("it is an address")
	}
	if !strings.Contains(ascii, ".") || slices.Contains(strings.Split(ascii, "."), "") {
		return "", errors.New("it is not the full name of a host")
	}
	return ascii, nil
}

// folder makes the folder of this authority's certificates. Authorities have one each, so that who tries things out with one of them does not
// serve its certificates later. That it can be written is found out here: what cannot be kept would be ordered anew at each
// start, and authorities have low limits on that.
func (a *ACME) folder() (string, error) {
	u, err := url.Parse(a.Directory)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("cannot use %q as the directory of an authority; --acme-directory needs an https:// URL, such as %s", a.Directory, LetsEncrypt)
	}
	path := filepath.Join(a.Cache, strings.ReplaceAll(u.Host, ":", "_"))
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("cannot make a folder for certificates: %w; choose another with --acme-cache", err)
	}
	f, err := os.CreateTemp(path, "writable")
	if err != nil {
		return "", fmt.Errorf("cannot write to the folder of certificates %q: %w; choose another with --acme-cache", path, err)
	}
	return path, errors.Join(f.Close(), os.Remove(f.Name()))
}
