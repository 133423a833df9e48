package server

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/valyala/fasthttp"
)

// Other sites' pages may not read what this server answers, unless Config.CORSOrigins names them. Nothing here is done by cookies, so
// there are no credentials to allow: a page of an allowed origin sends its key in a header.

const (
	corsMethods = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
	corsHeaders = "Authorization, Content-Type, Content-Encoding, Inference-Header-Content-Length, X-Api-Key, X-Request-Id, traceparent, tracestate"
	corsExposed = "Inference-Header-Content-Length, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, Server-Timing, X-Request-Id, traceresponse"
	corsMaxAge  = "600"
)

// checkOrigin wants what a browser sends as Origin, or *.
func checkOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("cannot use %q as an origin: write https://example.com, with the port if it is not the usual one and no path, or * for every page", origin)
	}
	return nil
}

// allowOrigin lets a page of an allowed origin read the reply.
func (s *Server) allowOrigin(ctx *fasthttp.RequestCtx) {
	origins := s.cfg.CORSOrigins
	if len(origins) == 0 {
		return
	}
	h := &ctx.Response.Header
	h.Add(fasthttp.HeaderVary, "Origin") // for caches, with or without one
	origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	switch {
	case origin == "":
		return
	case slices.Contains(origins, "*"):
		h.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
	case slices.Contains(origins, origin):
		h.Set(fasthttp.HeaderAccessControlAllowOrigin, origin)
	default:
		return
	}
	h.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
	if ctx.IsOptions() && len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) > 0 {
		h.Set(fasthttp.HeaderAccessControlAllowMethods, corsMethods)
		h.Set(fasthttp.HeaderAccessControlAllowHeaders, corsHeaders)
		h.Set(fasthttp.HeaderAccessControlMaxAge, corsMaxAge)
	}
}
