package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// meta is what the hub says of a file before it is fetched.
type meta struct {
	commit string // of the revision
	etag   string // SHA-256 of a large file, git's SHA-1 of a small one
	size   int64  // bytes; -1 when not told
}

func (c *Client) url(repo, revision, name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return c.endpoint() + "/" + repo + "/resolve/" + url.PathEscape(revision) + "/" + strings.Join(parts, "/")
}

// head asks for a file's meta. Its answer about a file that the commit lacks has the
// commit, beside an error.
func (c *Client) head(ctx context.Context, ref Ref, name string, tries int) (m meta, err error) {
	err = c.retry(ctx, tries, func() error {
		m, err = c.headOnce(ctx, ref, name)
		return err
	})
	return m, err
}

// retry calls f until it succeeds, fails for good, or has failed tries times.
func (c *Client) retry(ctx context.Context, tries int, f func() error) error {
	for failures := 1; ; failures++ {
		err := f()
		if err == nil || failures >= tries || ctx.Err() != nil || !passing(err) {
			return err
		}
		select {
		case <-time.After(c.wait(failures)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// passing tells errors that another try may not meet.
func passing(err error) bool {
	var status statusError
	var network *url.Error
	return errors.As(err, &status) || errors.As(err, &network)
}

// token68 is what an ETag or a commit may be made of here: it becomes a file name.
var token68 = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$`)

func (c *Client) headOnce(ctx context.Context, ref Ref, name string) (meta, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, c.url(ref.Repo, ref.revision(), name), nil)
	if err != nil {
		return meta{}, err
	}
	req.Header = c.header()
	req.Header.Set("Accept-Encoding", "identity") // the size is that of the file
	// A renamed repository is redirected to within the hub, and that is followed. A file is
	// redirected to where its bytes are, and the answer before that is the one wanted.
	client := c.client(func(next, first *http.Request) bool { return next.URL.Host == first.URL.Host })
	resp, err := client.Do(req)
	if err != nil {
		return meta{}, err
	}
	resp.Body.Close()
	return c.metaOf(resp, ref)
}

// metaOf reads the headers of an answer. Nothing that they say is believed to be a file's name before it looks like one.
func (c *Client) metaOf(resp *http.Response, ref Ref) (meta, error) {
	m := meta{commit: resp.Header.Get("X-Repo-Commit"), etag: etag(resp.Header), size: size(resp)}
	if m.commit != "" && !token68.MatchString(m.commit) {
		return meta{}, fmt.Errorf("the hub names a commit %q", m.commit)
	}
	if resp.StatusCode >= 400 || resp.StatusCode < 200 {
		return m, c.refusal(resp, ref)
	}
	switch {
	case m.commit == "":
		return meta{}, fmt.Errorf("%s does not answer as the hub does (no X-Repo-Commit); check HF_ENDPOINT and the proxy", c.endpoint())
	case !token68.MatchString(m.etag):
		return meta{}, fmt.Errorf("the hub gives the ETag %q, which names no content", m.etag)
	}
	return m, nil
}

// etag is the content's own, or that of the answer, without quotes and the mark of a
// weak one.
func etag(h http.Header) string {
	tag := or(h.Get("X-Linked-Etag"), h.Get("ETag"))
	return strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
}

func size(resp *http.Response) int64 {
	if n, err := strconv.ParseInt(resp.Header.Get("X-Linked-Size"), 10, 64); err == nil && n >= 0 {
		return n
	}
	if resp.StatusCode >= 300 {
		return -1 // the length is the redirect's
	}
	return resp.ContentLength
}
