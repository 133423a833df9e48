package hub

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzMeta: whatever a server says in its headers, what becomes a file's name is a name and no path, sizes are possible, and an error can be shown on
// a terminal.
func FuzzMeta(f *testing.F) {
	const commit, sha = "5f4a8d1e0c3b2a19087f6e5d4c3b2a1908f7e6d5", "9b1c0e2f3a4d5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e"
	f.Add(302, commit, `"`+sha+`"`, `"x"`, "46807446", "", "")
	f.Add(200, commit, "", `W/"abc"`, "", "", "")
	f.Add(404, commit, "", "", "", "EntryNotFound", "Entry not found")
	f.Add(403, "", "", "", "", "GatedRepo", "Access to model is restricted")
	f.Add(500, "", "", "", "", "", "\x1b]0;title\x07")
	f.Add(200, "../../x", "..", "/etc/passwd", "-1", "", "")
	f.Add(200, commit, "..", "", "99999999999999999999", "", "")
	c := &Client{}
	f.Fuzz(func(t *testing.T, status int, commit, linked, tag, size, code, message string) {
		resp := &http.Response{StatusCode: status, Status: message, Header: http.Header{}, ContentLength: -1}
		for name, value := range map[string]string{
			"X-Repo-Commit": commit, "X-Linked-Etag": linked, "Etag": tag, "X-Linked-Size": size, "X-Error-Code": code, "X-Error-Message": message,
		} {
			if value != "" {
				resp.Header.Set(name, value)
			}
		}
		m, err := c.metaOf(resp, Ref{Repo: "timm/resnet18"})
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
				t.Fatalf("the error %q is more than text", err)
			}
		} else if m.etag == "" || m.commit == "" || m.size < -1 {
			t.Fatalf("got %+v", m)
		}
		for _, name := range []string{m.etag, m.commit} {
			if err == nil && (!filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".")) {
				t.Fatalf("%q would be a file's name", name)
			}
		}
	})
}
