package server

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/torchlit/torchlit/server/access"
)

// keyFile are keys of a file, one for each of the options.
func keyFile(t testing.TB, options ...string) (*access.Keys, []string) {
	t.Helper()
	var text strings.Builder
	var keys []string
	for i, o := range options {
		key, line, err := access.NewKey(fmt.Sprintf("caller%d", i))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&text, line, o)
		keys = append(keys, key)
	}
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := access.Open(path, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k, keys
}

// Who asks for an answer presents a key, by whichever protocol; what says nothing of pictures stays open.
func TestAPIKeys(t *testing.T) {
	api, keys := keyFile(t, "", "rate=0.001 burst=2", "expires=2001-01-01")
	core, logs := observer.New(zap.DebugLevel)
	h := open(t, Config{APIKeys: api, AdminKey: "sesame-sesame-sesame", Repository: fakeRepository{}, Logger: zap.New(core)})
	image := pngOf(picture(8, 8, red))
	asks := []struct{ path, header, value string }{
		{"/v1/classify", "Content-Type", "image/png"},
		{"/v1/models/colours/classify", "Content-Type", "image/png"},
		{"/v1/models/colours/versions/1/classify", "Content-Type", "image/png"},
		{"/v2/models/colours/infer", "Inference-Header-Content-Length", "0"},
		{"/v2/models/colours/versions/1/infer", "Inference-Header-Content-Length", "0"},
	}
	for _, a := range asks {
		r := h.ask("POST", a.path, image, a.header, a.value)
		wantCode(t, r, 401, "key_needed")
		if got := r.header.Get("WWW-Authenticate"); got != `Bearer realm="torchlit"` {
			t.Errorf("%s: the challenge is %q", a.path, got)
		}
		wantCode(t, h.ask("POST", a.path, image, a.header, a.value, "Authorization", "Bearer "+keys[0]+"x"), 401, "key_unknown")
		wantCode(t, h.ask("POST", a.path, image, a.header, a.value, "Authorization", "Bearer "+keys[2]), 401, "key_unknown")
		wantCode(t, h.ask("POST", a.path, image, a.header, a.value, "Authorization", "Bearer sesame-sesame-sesame"), 401, "key_unknown")
		for _, auth := range [][2]string{{"Authorization", "Bearer " + keys[0]}, {"X-Api-Key", keys[0]}} {
			if r := h.ask("POST", a.path, image, a.header, a.value, auth[0], auth[1]); r.status != 200 {
				t.Errorf("%s: got %d %s", a.path, r.status, r.body)
			}
		}
	}
	for _, path := range []string{"/", "/dashboard", "/docs", "/openapi.json", "/v1/models", "/v1/stats", "/v2", "/v2/health/ready", "/healthz", "/readyz", "/metrics"} {
		if r := h.ask("GET", path, nil); r.status != 200 {
			t.Errorf("%s: got %d %s", path, r.status, r.body)
		}
	}
	wantCode(t, h.ask("POST", "/v2/repository/models/colours/load", nil, "Authorization", "Bearer "+keys[0]), 403, "admin_key_wrong")

	// A rate is told of, and kept to.
	ask := func() reply { return h.ask("POST", "/v1/classify", image, "Authorization", "Bearer "+keys[1]) }
	for left := 1; left >= 0; left-- {
		r := ask()
		if r.status != 200 || r.header.Get("RateLimit-Limit") != "2" || r.header.Get("RateLimit-Remaining") != fmt.Sprint(left) || r.header.Get("RateLimit-Reset") == "" {
			t.Errorf("got %d %v", r.status, r.header)
		}
	}
	r := ask()
	wantCode(t, r, 429, "rate_limited")
	if r.header.Get("RateLimit-Remaining") != "0" || len(r.header.Get("Retry-After")) < 3 {
		t.Errorf("got %v", r.header)
	}

	// The log names the caller, and nothing that is served or logged has a key.
	text := new(strings.Builder)
	named := map[string]bool{}
	for _, e := range logs.All() {
		fields := e.ContextMap()
		fmt.Fprintln(text, e.Message, fields)
		named[fmt.Sprint(fields["key"], " ", fields["status"])] = true
	}
	if !named["caller0 200"] || !named["caller1 429"] {
		t.Errorf("the log does not name the callers: %v", named)
	}
	for _, path := range []string{"/metrics", "/v1/stats", "/v1/models", "/v2"} {
		text.Write(h.ask("GET", path, nil).body)
	}
	for _, secret := range append(keys, "sesame") {
		parts := strings.SplitN(secret, "_", 3) // tl_name_secret, which may have more of them
		if strings.Contains(text.String(), parts[len(parts)-1]) {
			t.Errorf("a secret is logged or served: %s", secret)
		}
	}
}

// A key without leave is refused before the body is read.
func TestKeyComesBeforeTheBody(t *testing.T) {
	api, keys := keyFile(t, "concurrent=1")
	s, _ := openTCP(t, Config{APIKeys: api})
	nc := dialTo(t, s)
	begin(t, nc, 20<<20, 10)
	wantCode(t, replyOn(t, nc), 401, "key_needed")

	first := dialTo(t, s)
	fmt.Fprintf(first, "POST /v1/classify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 9999\r\n\r\nabc", keys[0])
	for s.cfg.Metrics.inflight.Load() == 0 {
	}
	second := dialTo(t, s)
	fmt.Fprintf(second, "POST /v1/classify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 9999\r\n\r\nabc", keys[0])
	wantCode(t, replyOn(t, second), 429, "too_many_at_once")

	for _, path := range []string{"/v1/classify", "/v2/models/colours/infer", "/v1/models/colours/feedback"} {
		asking := dialTo(t, s)
		fmt.Fprintf(asking, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n", path)
		wantCode(t, replyOn(t, asking), 401, "key_needed")
	}
}

// Other sites' pages read answers only where they are named.
func TestCORS(t *testing.T) {
	f := func(origins []string, origin, allowed string) {
		t.Helper()
		h := open(t, Config{CORSOrigins: origins})
		r := h.ask("POST", "/v1/classify", []byte("no image"), "Origin", origin)
		if got := r.header.Get("Access-Control-Allow-Origin"); got != allowed {
			t.Errorf("%v: %q may read: %q; want %q", origins, origin, got, allowed)
		}
		if vary := r.header.Get("Vary"); (vary == "Origin") != (origins != nil) {
			t.Errorf("%v: Vary is %q", origins, vary)
		}
		r = h.ask("OPTIONS", "/v1/classify", nil, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
		if got := r.header.Get("Access-Control-Allow-Headers"); r.status != 204 || strings.Contains(got, "Authorization") != (allowed != "") {
			t.Errorf("%v: the preflight of %q got %d %v", origins, origin, r.status, r.header)
		}
		if r.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Error("credentials are allowed")
		}
	}
	f(nil, "https://example.com", "")
	f([]string{"https://example.com"}, "https://example.com", "https://example.com")
	f([]string{"https://example.com"}, "https://example.com.evil.net", "")
	f([]string{"https://example.com"}, "http://example.com", "")
	f([]string{"https://example.com"}, "null", "")
	f([]string{"*"}, "https://example.com", "*")
	for _, bad := range []string{"example.com", "https://example.com/", "ftp://example.com", "https://*.example.com/x", ""} {
		if _, err := Open(Config{CORSOrigins: []string{bad}}); err == nil {
			t.Errorf("the origin %q is taken", bad)
		}
	}
}

// With a listener of their own, /metrics and the admin routes are gone from the public one, and nothing else is on theirs.
func TestAdminApart(t *testing.T) {
	s, addr := openTCP(t, Config{AdminApart: true, AdminKey: "sesame-sesame-sesame", Repository: fakeRepository{}})
	ln := listenLocal(t)
	if err := s.StartAdmin(ln); err != nil {
		t.Fatal(err)
	}
	f := func(host, method, path string, status int) {
		t.Helper()
		req, _ := http.NewRequest(method, "http://"+host+path, nil)
		req.Header.Set("Authorization", "Bearer sesame-sesame-sesame")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s %s on the listener %s: got %d; want %d", method, path, host, resp.StatusCode, status)
		}
	}
	admin := ln.Addr().String()
	f(addr, "GET", "/metrics", 404)
	f(addr, "POST", "/v2/repository/models/colours/load", 404)
	f(addr, "POST", "/v2/repository/index", 404)
	f(addr, "DELETE", "/v1/models/colours/traffic", 405)
	f(addr, "GET", "/v1/models", 200)
	f(admin, "GET", "/metrics", 200)
	f(admin, "GET", "/readyz", 200)
	f(admin, "POST", "/v2/repository/index", 200)
	f(admin, "DELETE", "/v1/models/colours/traffic", 200)
	f(admin, "POST", "/v1/classify", 404)
	f(admin, "GET", "/", 404)
}

// Pages cannot be framed, and run nothing but their own.
func TestSecurityHeaders(t *testing.T) {
	h := open(t, Config{})
	for _, page := range []string{"/", "/dashboard", "/docs"} {
		r := h.ask("GET", page, nil)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := r.header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q", page, name, got)
			}
		}
		for _, unsafe := range []string{"unsafe-inline", "unsafe-eval", "*"} {
			if strings.Contains(r.header.Get("Content-Security-Policy"), unsafe) {
				t.Errorf("%s: the policy allows %s", page, unsafe)
			}
		}
	}
}

// Another front end than HTTP asks for the same keys, hears when to come again, and has nothing for administrators where these are apart.
func TestKeysElsewhere(t *testing.T) {
	api, keys := keyFile(t, "rate=0.01 burst=1")
	h := open(t, Config{APIKeys: api, AdminApart: true, AdminKey: "sesame-sesame-sesame"})
	name, leave, err := h.Enter(keys[0])
	if err != nil || name != "caller0" {
		t.Fatal(name, err)
	}
	leave()
	_, _, err = h.Enter(keys[0])
	if st := h.Backend().Describe(err); st.HTTP != 429 || st.Code != "rate_limited" || st.RetryAfter < time.Minute {
		t.Errorf("got %+v", st)
	}
	_, _, err = h.Enter("")
	if st := h.Backend().Describe(err); st.HTTP != 401 || st.Code != "key_needed" {
		t.Errorf("got %+v", st)
	}
	if err := h.AuthorizePublicAdmin(fakeConn{}.RemoteAddr(), "Bearer sesame-sesame-sesame"); public(err).status != 404 {
		t.Errorf("got %v", err)
	}
	if err := h.AuthorizeAdmin(fakeConn{}.RemoteAddr(), "Bearer sesame-sesame-sesame"); err != nil {
		t.Error(err)
	}
}

// An administrator's key may come beside an Authorization that is a proxy's, and has its limits told like another.
func TestAdminKeys(t *testing.T) {
	admins, keys := keyFile(t, "", "rate=0.01 burst=1")
	h := open(t, Config{AdminKeys: admins, Repository: fakeRepository{}})
	const load = "/v2/repository/models/colours/load"
	for _, headers := range [][]string{
		{"Authorization", "Bearer " + keys[0]}, {"X-Admin-Key", keys[0]}, {"X-Admin-Key", keys[0], "Authorization", "Basic cHJveHk6cHJveHk="},
	} {
		if r := h.ask("POST", load, nil, headers...); r.answer(t).Code != "model_not_found" { // admitted, to a repository without any
			t.Errorf("%v: got %d %s", headers, r.status, r.body)
		}
	}
	if r := h.ask("POST", load, nil, "X-Admin-Key", keys[1]); r.answer(t).Code != "model_not_found" {
		t.Errorf("got %d %s", r.status, r.body)
	}
	r := h.ask("POST", load, nil, "X-Admin-Key", keys[1])
	wantCode(t, r, 429, "rate_limited")
	if r.header.Get("Retry-After") == "" || r.header.Get("RateLimit-Remaining") != "0" {
		t.Errorf("got %v", r.header)
	}
}
