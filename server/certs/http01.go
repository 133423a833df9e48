package certs

import (
	"net"
	"net/http"
	"strings"
)

// HTTP is what port 80 of the hosts needs for a proof by plain HTTP (HTTP-01), with ACME.HTTP. It sends whoever else asks for one of the hosts to
// HTTPS. nil if the certificates do not come by ACME. The handler may be called from any goroutine.
func (c *Certs) HTTP() http.Handler {
	if c.keeper == nil {
		return nil
	}
	return http.HandlerFunc(c.keeper.plain)
}

func (k *keeper) plain(w http.ResponseWriter, r *http.Request) {
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	h := k.byName[strings.ToLower(name)]
	if h == nil {
		http.Error(w, "This host is not served here.", http.StatusMisdirectedRequest)
		return
	}
	r.Host = h.name // autocert knows no ports
	h.manager.Load().HTTPHandler(nil).ServeHTTP(w, r)
}
