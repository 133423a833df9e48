package server

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// No name in a path leads out of what is served: whatever is asked for, it is not there. What the repository is asked to load reaches it
// as it was written, and that it takes no paths is tested there.
func TestNoFileOutside(t *testing.T) {
	h := open(t, Config{AdminKey: "sesame-sesame-sesame", Repository: fakeRepository{}})
	names := []string{"..", ".", "../../etc/passwd", "/etc/passwd", "%2e%2e", "..%2f..%2fetc%2fpasswd", `..\..\x`, "colours/../../x", "colours\x00", "~root", "con", strings.Repeat("a/", 500)}
	for _, name := range names {
		for _, n := range []string{name, url.PathEscape(name)} {
			for _, route := range []struct{ method, path string }{
				{"POST", "/v1/models/" + n + "/classify"}, {"POST", "/v1/models/colours/versions/" + n + "/classify"},
				{"GET", "/v1/models/" + n}, {"GET", "/v1/models/" + n + "/traffic"}, {"PUT", "/v1/models/" + n + "/traffic"},
				{"POST", "/v2/models/" + n + "/infer"}, {"GET", "/v2/models/" + n + "/config"}, {"GET", "/v2/models/" + n}, {"GET", "/static/" + n},
			} {
				req := &http.Request{Method: route.method, URL: &url.URL{Scheme: "http", Host: "torchlit", Opaque: route.path}, Header: http.Header{"Authorization": {"Bearer sesame-sesame-sesame"}}}
				if strings.ContainsAny(route.path, "\x00") {
					continue // no client sends it so
				}
				r, err := h.send(req)
				if err != nil {
					t.Fatal(route, err)
				}
				if r.status < 400 || r.status >= 500 {
					t.Errorf("%s %s: got %d %.80s", route.method, route.path, r.status, r.body)
				}
			}
		}
	}
}

// Nothing in a request makes the server connect to anywhere.
func TestNoConnection(t *testing.T) {
	ln := listenLocal(t)
	defer ln.Close()
	var came atomic.Int64
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			_ = nc.Close()
		}
	}()
	target := "http://" + ln.Addr().String() + "/picture.png"
	h := open(t, Config{Repository: fakeRepository{}, AdminKey: "sesame-sesame-sesame"})
	kind, several := form(map[string]string{"url": target, "image_url": target}, []byte(target))
	svg := `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="` + target + `"/></svg>`
	for _, b := range []struct{ path, kind, body string }{
		{"/v1/classify", "application/json", `{"image":"` + target + `"}`},
		{"/v1/classify", "application/json", `{"images":["` + target + `","` + base64.StdEncoding.EncodeToString([]byte(target)) + `"]}`},
		{"/v1/classify", "application/json", `{"url":"` + target + `"}`},
		{"/v1/classify", "text/plain", target},
		{"/v1/classify?url=" + url.QueryEscape(target), "image/svg+xml", svg},
		{"/v1/classify", kind, string(several)},
		{"/v2/models/colours/infer", "application/json", `{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["` + target + `"]}]}`},
		{"/v2/models/" + url.PathEscape(target) + "/infer", "application/json", `{}`},
		{"/v2/repository/models/colours/load", "application/json", `{"parameters":{"config":"{\"path\":\"` + target + `\"}","file:1/model.pt":"` + target + `"}}`},
	} {
		r := h.ask("POST", b.path, []byte(b.body), "Content-Type", b.kind, "Authorization", "Bearer sesame-sesame-sesame", "Referer", target, "X-Forwarded-Host", ln.Addr().String())
		if r.status == 200 && !strings.Contains(b.path, "load") {
			t.Errorf("%s with %s was answered: %s", b.path, b.body, r.body)
		}
	}
	if nc, err := net.Dial("tcp", ln.Addr().String()); err == nil { // the listener does hear
		_ = nc.Close()
	}
	for end := time.Now().Add(10 * time.Second); came.Load() == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if n := came.Load(); n != 1 {
		t.Errorf("the server connected %d times", n-1)
	}
}
