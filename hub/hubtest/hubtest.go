// Package hubtest is a hub for tests: two servers on the loopback interface, of which one
// answers as huggingface.co does, and the other is where large files are redirected to.
package hubtest

import (
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Hub is the fake. Its methods may be called while it is asked.
type Hub struct {
	URL string // what HF_ENDPOINT is set to

	content *httptest.Server
	mu      sync.Mutex
	repos   map[string]*repo
	blobs   map[string][]byte // by SHA-256
	log     []string
	cut     []int64
	broken  int
	corrupt bool
}

type repo struct {
	revisions map[string]string            // branch, tag or commit, to commit
	files     map[string]map[string][]byte // by commit and name
	gated     bool
	token     string // that may read it; "" for everybody
	movedTo   string
}

// New starts a hub that ends with the test.
func New(t testing.TB) *Hub {
	h := &Hub{repos: map[string]*repo{}, blobs: map[string][]byte{}}
	front := httptest.NewServer(http.HandlerFunc(h.resolve))
	h.content = httptest.NewServer(http.HandlerFunc(h.blob))
	t.Cleanup(front.Close)
	t.Cleanup(h.content.Close)
	h.URL = front.URL
	return h
}

// Put makes a commit of a repository's main branch, with these files, and returns it.
// Names that end in .safetensors, .bin or .ckpt are large files.
func (h *Hub) Put(name string, files map[string][]byte) (commit string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.repo(name)
	commit = fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "%s %d", name, len(r.files))))
	r.files[commit] = files
	r.revisions["main"], r.revisions[commit] = commit, commit
	for _, data := range files {
		h.blobs[fmt.Sprintf("%x", sha256.Sum256(data))] = data
	}
	return commit
}

func (h *Hub) repo(name string) *repo {
	if h.repos[name] == nil {
		h.repos[name] = &repo{revisions: map[string]string{}, files: map[string]map[string][]byte{}}
	}
	return h.repos[name]
}

// Tag names a commit.
func (h *Hub) Tag(name, tag, commit string) {
	h.change(name, func(r *repo) { r.revisions[tag] = commit })
}

// Gate makes a repository one whose conditions must be accepted.
func (h *Hub) Gate(name string) { h.change(name, func(r *repo) { r.gated = true }) }

// Hide makes a repository one that only a token may read.
func (h *Hub) Hide(name, token string) { h.change(name, func(r *repo) { r.token = token }) }

// Move redirects a repository's old name to its new one.
func (h *Hub) Move(from, to string) { h.change(from, func(r *repo) { r.movedTo = to }) }

func (h *Hub) change(name string, f func(*repo)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h.repo(name))
}

// Cut ends each of the next answers about large files after so many bytes of it.
func (h *Hub) Cut(bytes ...int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = bytes
}

// Break answers the next n requests with 503.
func (h *Hub) Break(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = n
}

// Corrupt changes a bit of every large file on its way, or no longer.
func (h *Hub) Corrupt(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.corrupt = on
}

// Requests returns and forgets the requests so far: method, path, and the range if one
// was asked for. Those to the server of large files begin with "content".
func (h *Hub) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	log := h.log
	h.log = nil
	return log
}

func (h *Hub) record(prefix string, req *http.Request) {
	line := strings.TrimSpace(prefix + req.Method + " " + req.URL.Path + " " + req.Header.Get("Range"))
	if req.Header.Get("Authorization") != "" {
		line += " with token"
	}
	h.log = append(h.log, line)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("X-Error-Message", message)
	http.Error(w, message, status)
}

// resolve answers /{repository}/resolve/{revision}/{file}.
func (h *Hub) resolve(w http.ResponseWriter, req *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.record("", req)
	if h.broken > 0 {
		h.broken--
		http.Error(w, "out of order", http.StatusServiceUnavailable)
		return
	}
	name, rest, ok := strings.Cut(strings.TrimPrefix(req.URL.EscapedPath(), "/"), "/resolve/")
	escaped, file, ok2 := strings.Cut(rest, "/")
	revision, _ := url.PathUnescape(escaped)
	file, _ = url.PathUnescape(file)
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	r := h.repos[name]
	switch {
	case token == "wrong":
		refuse(w, http.StatusUnauthorized, "", "Invalid credentials in Authorization header")
		return
	case !ok || !ok2 || r == nil || r.token != "" && token == "":
		status := http.StatusNotFound
		if token == "" {
			status = http.StatusUnauthorized // the hub does not tell strangers what exists
		}
		refuse(w, status, "RepoNotFound", "Repository not found")
		return
	case r.token != "" && token != r.token:
		refuse(w, http.StatusForbidden, "", "the token has no right to it")
		return
	case r.movedTo != "":
		http.Redirect(w, req, "/"+r.movedTo+"/resolve/"+rest, http.StatusTemporaryRedirect)
		return
	case r.gated:
		refuse(w, http.StatusUnauthorized, "GatedRepo", "Access to model "+name+" is restricted.")
		return
	}
	commit, ok := r.revisions[revision]
	if !ok {
		refuse(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+revision)
		return
	}
	w.Header().Set("X-Repo-Commit", commit)
	data, ok := r.files[commit][file]
	if !ok {
		refuse(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
		return
	}
	h.answer(w, req, file, data)
}

func (h *Hub) answer(w http.ResponseWriter, req *http.Request, file string, data []byte) {
	git := fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...)))
	switch path.Ext(file) {
	case ".safetensors", ".bin", ".ckpt":
		sum := fmt.Sprintf("%x", sha256.Sum256(data))
		w.Header().Set("X-Linked-Etag", `"`+sum+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
		w.Header().Set("ETag", `"`+git+`"`)
		http.Redirect(w, req, h.content.URL+"/"+sum, http.StatusFound)
	default:
		w.Header().Set("ETag", `W/"`+git+`"`)
		http.ServeContent(w, req, "", time.Time{}, strings.NewReader(string(data)))
	}
}

// blob answers as a content delivery network does, ranges included.
func (h *Hub) blob(w http.ResponseWriter, req *http.Request) {
	h.mu.Lock()
	h.record("content ", req)
	data, ok := h.blobs[strings.TrimPrefix(req.URL.Path, "/")]
	cut := int64(-1)
	if len(h.cut) > 0 {
		cut, h.cut = h.cut[0], h.cut[1:]
	}
	if h.corrupt && len(data) > 0 {
		data = append([]byte{data[0] ^ 1}, data[1:]...)
	}
	h.mu.Unlock()
	if !ok {
		http.NotFound(w, req)
		return
	}
	if cut >= 0 {
		w = &cutting{w, cut}
	}
	http.ServeContent(w, req, "", time.Time{}, strings.NewReader(string(data)))
}

// cutting is a connection that breaks.
type cutting struct {
	http.ResponseWriter
	left int64
}

func (c *cutting) Write(p []byte) (int, error) {
	if int64(len(p)) <= c.left {
		c.left -= int64(len(p))
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	c.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}
