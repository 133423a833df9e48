package server

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/torchlit/torchlit/server/access"
)

// Admin routes load, unload and route models. With Config.AdminKeys they answer whoever presents one. Without one
// they answer callers on this machine only. What looks like such a caller may still be the whole world: behind a reverse proxy on this machine, or
// through a browser, which any page can make send requests to localhost. So a request that was forwarded, that names a
// host other than this machine, or that comes from a page of another origin is refused as well.

var (
	errAdminKey = &apiError{
		status: fasthttp.StatusUnauthorized, code: "admin_key_needed",
		sentence: "This address needs the admin key: send the header \"Authorization: Bearer <key>\".",
	}
	errAdminWrongKey = &apiError{
		status: fasthttp.StatusForbidden, code: "admin_key_wrong",
		sentence: "This is not the admin key.",
	}
	errAdminLocal = &apiError{
		status: fasthttp.StatusForbidden, code: "admin_local_only",
		sentence: "This address answers callers on the server's own machine only; start the server with --admin-key-file to use it from elsewhere.",
	}
)

// adminOnly lets h answer only who may administer the server.
func (s *Server) adminOnly(h fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if err := s.admit(ctx); err != nil {
			s.writeError(ctx, err)
			return
		}
		h(ctx)
	}
}

// admit is authorizeAdmin, and tells a caller without a key how to present one.
func (s *Server) admit(ctx *fasthttp.RequestCtx) error {
	err := s.authorizeAdmin(ctx)
	setOver(&ctx.Response.Header, err)
	if err == errAdminKey {
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, `Bearer realm="torchlit admin"`)
	}
	return err
}

func (s *Server) authorizeAdmin(ctx *fasthttp.RequestCtx) error {
	h := &ctx.Request.Header
	if s.cfg.AdminKeys != nil {
		authorization := string(h.Peek(fasthttp.HeaderAuthorization))
		if key := h.Peek("X-Admin-Key"); access.Bearer(authorization) == "" && len(key) > 0 { // for clients that keep the other for a proxy
			authorization = "Bearer " + string(key)
		}
		return s.AuthorizeAdmin(ctx.RemoteAddr(), authorization)
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if len(h.Peek(name)) > 0 {
			return errAdminLocal
		}
	}
	if !isLocalHost(string(h.Host())) {
		return errAdminLocal
	}
	if o := string(h.Peek(fasthttp.HeaderOrigin)); o != "" && o != string(ctx.URI().Scheme())+"://"+string(h.Host()) {
		return errAdminLocal
	}
	return s.AuthorizeAdmin(ctx.RemoteAddr(), "")
}

// AuthorizeAdmin reports whether a caller may load and unload models: by an admin key in authorization, which is
// "Bearer <key>", or, where no key is set, by calling from this machine. The error is nil, or fit for the caller.
func (s *Server) AuthorizeAdmin(remote net.Addr, authorization string) error {
	if s.cfg.AdminKeys == nil {
		if !isLoopback(remote) {
			return errAdminLocal
		}
		return nil
	}
	grant, err := s.cfg.AdminKeys.Enter(access.Bearer(authorization))
	switch {
	case err == nil:
		grant.Leave()
		return nil
	case errors.Is(err, access.ErrNoKey):
		return errAdminKey
	case errors.Is(err, access.ErrWrongKey):
		return errAdminWrongKey
	}
	return &noLeave{whyNoLeave(err), err}
}

// errAdminApart is for who asks for an admin route where there are none.
var errAdminApart = &apiError{
	status: fasthttp.StatusNotFound, code: "not_found",
	sentence: "Administrators have an address of their own.",
}

// AuthorizePublicAdmin is AuthorizeAdmin for another front end that the public reaches: with Config.AdminApart it has nothing for
// administrators.
func (s *Server) AuthorizePublicAdmin(remote net.Addr, authorization string) error {
	if s.cfg.AdminApart {
		return errAdminApart
	}
	return s.AuthorizeAdmin(remote, authorization)
}

func isLoopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return a != nil && a.Network() == "pipe" // within this process
}

// isLocalHost reports whether a Host header names this machine as only this machine's own programs do.
func isLocalHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
