// Package fetch downloads large public files and unpacks archives, trusting
// neither the network nor the archive: downloads resume and are checked by
// size and digest before they get their final name, and an archive can write
// nowhere but into its folder.
package fetch

import (
	"context"
	"crypto/md5" // the digest that the publisher gives; SHA-256 beside it where known
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ErrMismatch says that a file is not the one expected: its size or a digest
// differs.
var ErrMismatch = errors.New("the file is not the expected one")

// File is a public file and what is known of its content.
type File struct {
	URL    string
	Size   int64  // bytes
	MD5    string // lowercase hex; "" is not checked
	SHA256 string // lowercase hex; "" is not checked
}

// Options says how to download. The zero value is ready to use.
type Options struct {
	// Client makes the requests. Nil: one that gives up when no connection or
	// no answer comes within 30 s.
	Client *http.Client
	// Header is sent with each request. An authorization stays with the host of the
	// URL: it is not sent on where that redirects to another.
	Header http.Header
	// Partial is what a name ends in until its file is whole. "": ".part".
	Partial string
	// Tries is the number of connections that may bring nothing before
	// Download gives up; one that brought bytes counts afresh. 0: 5.
	Tries int
	// Backoff is the wait after the first failure; it doubles with each
	// further one, up to 30 s. 0: 1 s.
	Backoff time.Duration
	// Stall is how long a transfer may bring no byte. 0: 60 s.
	Stall time.Duration
	// Progress is called from time to time with the bytes present so far.
	Progress func(done, total int64)
	// Retry is called before each wait with the reason for it.
	Retry func(err error, wait time.Duration)
}

func (o *Options) setDefaults() {
	if o.Client == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = 30 * time.Second
		o.Client = &http.Client{Transport: t}
	}
	if o.Partial == "" {
		o.Partial = ".part"
	}
	if o.Tries == 0 {
		o.Tries = 5
	}
	if o.Backoff == 0 {
		o.Backoff = time.Second
	}
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Retry == nil {
		o.Retry = func(error, time.Duration) {}
	}
}

// Download makes path hold the file f. A path that holds it already is left
// alone. Otherwise the bytes are collected in path+Partial, which a later call
// goes on with, and get their name only when size and digests are right. A
// file that turns out wrong after it was put together from several pieces is
// fetched once more from its start.
func Download(ctx context.Context, f File, path string, opts Options) error {
	opts.setDefaults()
	if err := Verify(path, f); err == nil {
		opts.Progress(f.Size, f.Size)
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrMismatch) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot download %q: %w", f.URL, err)
	}
	part := path + opts.Partial
	resumed, err := collect(ctx, f, part, opts)
	if err == nil {
		err = Verify(part, f)
	}
	if errors.Is(err, ErrMismatch) {
		os.Remove(part)
		if resumed {
			if _, err = collect(ctx, f, part, opts); err == nil {
				err = Verify(part, f)
			}
		}
	}
	if err != nil {
		if errors.Is(err, ErrMismatch) {
			os.Remove(part)
		}
		return fmt.Errorf("cannot download %q: %w", f.URL, err)
	}
	return os.Rename(part, path)
}

// collect fetches bytes into part until all are there. resumed tells whether
// they came in more than one piece, or were there already.
func collect(ctx context.Context, f File, part string, opts Options) (resumed bool, err error) {
	out, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return false, err
	}
	defer func() {
		if cerr := out.Close(); err == nil {
			err = cerr
		}
	}()
	have, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	if have > f.Size { // not a piece of this file
		have = 0
		if err := out.Truncate(0); err != nil {
			return false, err
		}
	}
	wait, best := opts.Backoff, have
	resumed = have > 0
	for failures := 0; have < f.Size; {
		resumed = resumed || have > 0
		n, err := piece(ctx, f, out, have, opts)
		if n > best { // more than ever: a server that starts over each time does not count
			failures, wait, best = 0, opts.Backoff, n
		}
		have = n
		if err == nil {
			continue
		}
		failures++
		if permanent(err) || ctx.Err() != nil || failures >= opts.Tries {
			return resumed, err
		}
		opts.Retry(err, wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return resumed, ctx.Err()
		}
		wait = min(2*wait, 30*time.Second)
	}
	return resumed, nil
}

// localError is a failure of our own disk, where trying again is no use.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

// statusError is an answer that is not the file.
type statusError struct {
	code   int
	status string
}

func (e statusError) Error() string { return "the server answers " + e.status }

// permanent tells the errors that another try will not cure.
func permanent(err error) bool {
	var s statusError
	if errors.As(err, &s) {
		return s.code < 500 && s.code != http.StatusTooManyRequests && s.code != http.StatusRequestTimeout
	}
	var l localError
	return errors.As(err, &l) || errors.Is(err, ErrMismatch)
}

// piece makes one request for the bytes from have on and writes what it
// brings. It returns how many bytes the file has then.
func piece(ctx context.Context, f File, out *os.File, have int64, opts Options) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := fmt.Errorf("no data for %v", opts.Stall)
	timer := time.AfterFunc(opts.Stall, func() { cancel(stalled) })
	defer timer.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return have, localError{err}
	}
	maps.Copy(req.Header, opts.Header)
	req.Header.Set("Accept-Encoding", "identity") // sizes and offsets are those of the file
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := opts.Client.Do(req)
	if err != nil {
		if context.Cause(ctx) == stalled {
			err = stalled
		}
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // without the URL, which the caller names
		}
		return have, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && startsAt(resp.Header.Get("Content-Range"), have):
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent ||
		resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && have > 0:
		// The whole file, or a range that is not the one asked for: from the start.
		have = 0
		if err := out.Truncate(0); err != nil {
			return have, localError{err}
		}
		if resp.StatusCode != http.StatusOK {
			return have, errors.New("the server cannot resume")
		}
	default:
		return have, statusError{resp.StatusCode, resp.Status}
	}
	if have == 0 && resp.ContentLength >= 0 && resp.ContentLength != f.Size {
		return have, fmt.Errorf("%w: the server's has %d bytes, expected %d", ErrMismatch, resp.ContentLength, f.Size)
	}
	if _, err := out.Seek(have, io.SeekStart); err != nil {
		return have, localError{err}
	}
	have, err = copyPiece(out, resp.Body, have, f.Size, func(n int64) {
		timer.Reset(opts.Stall)
		opts.Progress(n, f.Size)
	})
	if err != nil && context.Cause(ctx) == stalled {
		err = stalled
	}
	return have, err
}

// copyPiece appends body to out, which has have bytes, up to size.
func copyPiece(out io.Writer, body io.Reader, have, size int64, progress func(int64)) (int64, error) {
	buf := make([]byte, 128<<10)
	for {
		n, err := body.Read(buf)
		if have+int64(n) > size {
			return have, fmt.Errorf("%w: the server sends more than its %d bytes", ErrMismatch, size)
		}
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return have, localError{err}
			}
			have += int64(n)
			progress(have)
		}
		if err == io.EOF {
			if have < size {
				return have, fmt.Errorf("the connection ended after %d of %d bytes", have, size)
			}
			return have, nil
		}
		if err != nil {
			return have, err
		}
	}
}

// startsAt tells whether a Content-Range header ("bytes 10-99/100") begins at
// the offset.
func startsAt(header string, offset int64) bool {
	first, _, ok := strings.Cut(strings.TrimPrefix(header, "bytes "), "-")
	if !ok {
		return false
	}
	n, err := strconv.ParseInt(first, 10, 64)
	return err == nil && n == offset
}

// Verify checks the size and the digests of the file at path. Its errors wrap
// ErrMismatch, or those of reading the file.
func Verify(path string, f File) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot check file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("cannot check file: %w", err)
	}
	if info.Size() != f.Size {
		return fmt.Errorf("%w: %q has %d bytes, expected %d", ErrMismatch, path, info.Size(), f.Size)
	}
	digests := []struct {
		name, want string
		hash.Hash
	}{{"MD5", f.MD5, md5.New()}, {"SHA-256", f.SHA256, sha256.New()}}
	if _, err := io.Copy(io.MultiWriter(digests[0], digests[1]), file); err != nil {
		return fmt.Errorf("cannot check file %q: %w", path, err)
	}
	for _, d := range digests {
		if got := hex.EncodeToString(d.Sum(nil)); d.want != "" && got != d.want {
			return fmt.Errorf("%w: %q has %s %s, expected %s", ErrMismatch, path, d.name, got, d.want)
		}
	}
	return nil
}
