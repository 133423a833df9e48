package server

import (
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	h := open(t, Config{})
	f := func(path, kind, part string) {
		t.Helper()
		r := h.do("GET", path, "", nil)
		if r.status != 200 || r.header.Get("Content-Type") != kind || !strings.Contains(string(r.body), part) {
			t.Fatalf("%s: got %d %s %.80q", path, r.status, r.header.Get("Content-Type"), r.body)
		}
		etag := r.header.Get("ETag")
		if len(etag) < 10 || r.header.Get("Cache-Control") != "no-cache" || r.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%s: headers %v", path, r.header)
		}
		req, _ := http.NewRequest("GET", "http://torchlit"+path, nil)
		req.Header.Set("If-None-Match", etag)
		again, err := h.send(req)
		if err != nil || again.status != 304 || len(again.body) != 0 || again.header.Get("ETag") != etag {
			t.Fatalf("%s: got %d, %d bytes, %v; want 304", path, again.status, len(again.body), err)
		}
		if head := h.do("HEAD", path, "", nil); head.status != 200 || len(head.body) != 0 {
			t.Fatalf("HEAD %s: got %d", path, head.status)
		}
	}
	f("/", "text/html; charset=utf-8", "<!doctype html>")
	f("/dashboard", "text/html; charset=utf-8", "<!doctype html>")
	f("/static/upload.js", "text/javascript; charset=utf-8", "import")
	f("/static/theme.js", "text/javascript; charset=utf-8", "localStorage")
	f("/static/style.css", "text/css; charset=utf-8", ":root")
	f("/static/favicon.svg", "image/svg+xml", "<svg")
	f("/favicon.ico", "image/svg+xml", "<svg")
	if r := h.do("GET", "/static/../server.go", "", nil); r.status != 404 {
		t.Fatalf("got %d; want 404", r.status)
	}
	for path := range pages {
		csp := h.do("GET", path, "", nil).header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Fatalf("%s: the policy is %q", path, csp)
		}
	}
	if got := h.do("GET", "/", "", nil).header.Get("Permissions-Policy"); !strings.Contains(got, "camera=(self)") {
		t.Fatalf("the page may use %q", got)
	}
	if r := h.do("GET", "/static/dashboard.html", "", nil); r.status != 404 { // it would have two addresses
		t.Fatalf("got %d; want 404", r.status)
	}
}

// Whatever a page names, this server has.
func TestPageLinks(t *testing.T) {
	h := open(t, Config{})
	links := regexp.MustCompile(`(?:href|src)="(/[^"#]*)"`)
	imports := regexp.MustCompile(`from "\./([^"]+)"`)
	seen := map[string]bool{}
	for at, a := range assets() {
		for _, m := range links.FindAllStringSubmatch(string(a.body), -1) {
			seen[m[1]] = true
		}
		for _, m := range imports.FindAllStringSubmatch(string(a.body), -1) {
			seen[path.Join(path.Dir(at), m[1])] = true
		}
	}
	for link := range seen {
		if r := h.do("GET", link, "", nil); r.status != 200 {
			t.Errorf("%s: got %d", link, r.status)
		}
	}
	if len(seen) < 15 {
		t.Errorf("only %d links were found", len(seen))
	}
}

// The pages must work where there is no network, and under their own policy: nothing from elsewhere, nothing inline.
func TestPageStandsAlone(t *testing.T) {
	for path, a := range assets() {
		text := string(a.body)
		text = strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "") // a name, not an address
		text = strings.ReplaceAll(text, "url(#", "")                      // within the file itself
		for _, bad := range []string{"http://", "src=\"//", "@import", "url(", "onclick=", "<style", "style=\"", "innerHTML", "eval("} {
			if strings.Contains(text, bad) {
				t.Errorf("%s contains %s", path, bad)
			}
		}
	}
}
