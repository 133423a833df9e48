package fetch

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// content is what the servers of these tests publish.
var content = func() []byte {
	b := make([]byte, 300_000)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}()

func describe(url string, data []byte) File {
	m, s := md5.Sum(data), sha256.Sum256(data)
	return File{URL: url, Size: int64(len(data)), MD5: hex.EncodeToString(m[:]), SHA256: hex.EncodeToString(s[:])}
}

// publisher serves content and counts; before lets a test misbehave first and
// returns whether it has answered.
type publisher struct {
	*httptest.Server
	requests atomic.Int64
	ranges   []string
}

func publish(t *testing.T, before func(n int64, w http.ResponseWriter, r *http.Request) bool) *publisher {
	p := new(publisher)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := p.requests.Add(1)
		p.ranges = append(p.ranges, r.Header.Get("Range"))
		if before == nil || !before(n, w, r) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) options() Options {
	return Options{Client: p.Client(), Backoff: time.Microsecond}
}

// cut sends the first n bytes of the whole file and breaks the connection.
func cut(w http.ResponseWriter, n int) bool {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.Write(content[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func status(w http.ResponseWriter, code int) bool {
	w.WriteHeader(code)
	return true
}

func TestDownload(t *testing.T) {
	type handler = func(n int64, w http.ResponseWriter, r *http.Request) bool
	f := func(part []byte, before handler, wantRanges ...string) {
		t.Helper()
		p := publish(t, before)
		path := filepath.Join(t.TempDir(), "raw", "data.bin")
		if part != nil {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path+".part", part, 0o644))
		}
		var last int64
		opts := p.options()
		opts.Progress = func(done, total int64) {
			require.EqualValues(t, len(content), total)
			last = done
		}
		require.NoError(t, Download(t.Context(), describe(p.URL, content), path, opts))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
		if len(wantRanges) > 0 {
			require.EqualValues(t, len(content), last)
		}
		require.Equal(t, wantRanges, p.ranges)
		require.NoFileExists(t, path+".part")
	}
	first := func(do func(w http.ResponseWriter) bool) handler {
		return func(n int64, w http.ResponseWriter, _ *http.Request) bool { return n == 1 && do(w) }
	}
	f(nil, nil, "")
	// interrupted: the rest only
	f(nil, first(func(w http.ResponseWriter) bool { return cut(w, 1000) }), "", "bytes=1000-")
	// an earlier run left a piece
	f(content[:5000], nil, "bytes=5000-")
	// an earlier run left everything but the name
	f(content, nil)
	// a piece of something else: found out by the digest, fetched afresh
	f([]byte("something else"), nil, "bytes=14-", "")
	f(bytes.Repeat([]byte{1}, len(content)), nil, "")
	// a piece that is too long
	f(bytes.Repeat([]byte{1}, len(content)+1), nil, "")
	// servers that cannot resume
	whole := func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.Write(content)
		return true
	}
	f(content[:5000], whole, "bytes=5000-")
	f(content[:5000], first(func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Range", "bytes 0-9/300000")
		return status(w, http.StatusPartialContent)
	}), "bytes=5000-", "")
	f(content[:5000], first(func(w http.ResponseWriter) bool { return status(w, http.StatusRequestedRangeNotSatisfiable) }), "bytes=5000-", "")
	// errors that pass
	f(nil, first(func(w http.ResponseWriter) bool { return status(w, http.StatusServiceUnavailable) }), "", "")
	f(nil, first(func(w http.ResponseWriter) bool { return status(w, http.StatusTooManyRequests) }), "", "")
	f(nil, first(func(http.ResponseWriter) bool { panic(http.ErrAbortHandler) }), "", "")
}

// TestDownloadProgressRestoresTries: a poor line that breaks more often than
// Tries gets there, as long as each connection brings something.
func TestDownloadProgressRestoresTries(t *testing.T) {
	p := publish(t, func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n > 20 {
			return false
		}
		var from int
		if h := r.Header.Get("Range"); h != "" {
			from, _ = strconv.Atoi(h[len("bytes=") : len(h)-1])
		}
		w.Header().Set("Content-Range", "bytes "+strconv.Itoa(from)+"-299999/300000")
		w.Header().Set("Content-Length", strconv.Itoa(len(content)-from))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(content[from : from+100])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	opts := p.options()
	opts.Tries = 2
	path := filepath.Join(t.TempDir(), "x")
	// Without a Range in the request, 206 is an answer to nothing asked; begin with a piece.
	require.NoError(t, os.WriteFile(path+".part", content[:10], 0o644))
	require.NoError(t, Download(t.Context(), describe(p.URL, content), path, opts))
	require.EqualValues(t, 21, p.requests.Load())
}

func TestDownloadKeepsWhatIsThere(t *testing.T) {
	p := publish(t, nil)
	path := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(path, content, 0o644))
	require.NoError(t, Download(t.Context(), describe(p.URL, content), path, p.options()))
	require.Zero(t, p.requests.Load())

	require.NoError(t, os.WriteFile(path, []byte("damaged"), 0o644))
	require.NoError(t, Download(t.Context(), describe(p.URL, content), path, p.options()))
	require.NoError(t, Verify(path, describe("", content)))
}

func TestDownloadFails(t *testing.T) {
	f := func(file func(File) File, before func(int64, http.ResponseWriter, *http.Request) bool, requests int64, want string) error {
		t.Helper()
		p := publish(t, before)
		path := filepath.Join(t.TempDir(), "x")
		d := describe(p.URL+"/data.bin", content)
		if file != nil {
			d = file(d)
		}
		err := Download(t.Context(), d, path, p.options())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "/data.bin")
		require.NoFileExists(t, path)
		require.Equal(t, requests, p.requests.Load())
		return err
	}
	answer := func(code int) func(int64, http.ResponseWriter, *http.Request) bool {
		return func(_ int64, w http.ResponseWriter, _ *http.Request) bool { return status(w, code) }
	}
	f(nil, answer(404), 1, "the server answers 404 Not Found")
	f(nil, answer(403), 1, "403")
	f(nil, answer(500), 5, "500")
	f(nil, func(_ int64, w http.ResponseWriter, _ *http.Request) bool { panic(http.ErrAbortHandler) }, 5, "EOF")

	wrong := f(func(d File) File { d.MD5 = "0123"; return d }, nil, 1, "expected 0123")
	require.ErrorIs(t, wrong, ErrMismatch)
	f(func(d File) File { d.SHA256 = "4567"; return d }, nil, 1, "SHA-256")
	long := f(func(d File) File { d.Size--; return d }, nil, 1, "has 300000 bytes, expected 299999")
	require.ErrorIs(t, long, ErrMismatch)
	// the same from a server that gives no length
	chunked := func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") != "" {
			return status(w, http.StatusRequestedRangeNotSatisfiable)
		}
		w.(http.Flusher).Flush()
		w.Write(content)
		return true
	}
	f(func(d File) File { d.Size--; return d }, chunked, 1, "more than its 299999 bytes")
	// a file that is too short is not fetched over and over
	f(func(d File) File { d.Size++; return d }, chunked, 5, "ended after 300000 of 300001 bytes")
}

func TestDownloadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := publish(t, func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		w.Write(content[:1000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	path := filepath.Join(t.TempDir(), "x")
	opts := p.options()
	opts.Progress = func(int64, int64) { cancel() }
	err := Download(ctx, describe(p.URL, content), path, opts)
	require.ErrorIs(t, err, context.Canceled)
	part, err := os.ReadFile(path + ".part")
	require.NoError(t, err)
	require.Equal(t, content[:1000], part, "what came stays for the next run")
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestDownloadWaits checks the waits with fake time: 1, 2, 4 s between tries.
func TestDownloadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		offline := errors.New("no such host")
		var waits []time.Duration
		start := time.Now()
		err := Download(t.Context(), describe("http://files.invalid/x", content), filepath.Join(t.TempDir(), "x"), Options{
			Client: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { return nil, offline })},
			Tries:  4,
			Retry:  func(_ error, wait time.Duration) { waits = append(waits, wait) },
		})
		require.ErrorIs(t, err, offline)
		require.Equal(t, `cannot download "http://files.invalid/x": no such host`, err.Error())
		require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, waits)
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

// TestDownloadStalls: a connection that goes silent is given up after Stall.
func TestDownloadStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		rt := transport(func(r *http.Request) (*http.Response, error) {
			tries++
			body, feed := io.Pipe()
			go func() {
				if tries > 1 {
					feed.Write(content[50_000:])
					feed.Close()
					return
				}
				feed.Write(content[:50_000])
				<-r.Context().Done()
				feed.CloseWithError(r.Context().Err())
			}()
			code := http.StatusOK
			if tries > 1 {
				code = http.StatusPartialContent
			}
			return &http.Response{StatusCode: code, Body: body, ContentLength: -1, Header: http.Header{"Content-Range": {"bytes 50000-299999/300000"}}}, nil
		})
		var reason error
		start := time.Now()
		err := Download(t.Context(), describe("http://slow.invalid/x", content), filepath.Join(t.TempDir(), "x"), Options{
			Client: &http.Client{Transport: rt},
			Retry:  func(err error, _ time.Duration) { reason = err },
		})
		require.NoError(t, err)
		require.ErrorContains(t, reason, "no data for 1m0s")
		require.Equal(t, time.Minute+time.Second, time.Since(start))
	})
}

func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	require.ErrorIs(t, Verify(path, File{}), fs.ErrNotExist)
	require.NoError(t, os.WriteFile(path, content, 0o644))
	require.NoError(t, Verify(path, File{Size: int64(len(content))}))
	require.ErrorContains(t, Verify(path, File{Size: 1}), "has 300000 bytes, expected 1")
}
