// Package hub fetches files from the Hugging Face hub, or from a mirror of it, into the
// cache that Python's huggingface_hub keeps: what one of the two has fetched, the other
// finds.
//
//	$HF_HUB_CACHE/                    default: $HF_HOME/hub, and that: ~/.cache/huggingface
//	  models--timm--resnet18.a1_in1k/
//	    refs/main                     the commit that the branch was at
//	    blobs/<etag>                  contents, by SHA-256 (large files) or git's SHA-1
//	    snapshots/<commit>/<file>     links to ../../blobs/<etag>
//	    .no_exist/<commit>/<file>     empty: the commit has no such file
//	  .locks/…/<etag>.lock            held while a blob is written
//
// Sources: huggingface_hub's guide "Manage your cache", and its file_download.py.
package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/torchlit/torchlit/dataset/fetch"
)

// DefaultEndpoint is the hub itself.
const DefaultEndpoint = "https://huggingface.co"

// Client fetches files. Its fields are set before its first use; then any number of
// goroutines, and of processes with the same cache, may use it at once.
type Client struct {
	Endpoint string // of the hub or a mirror; "" for [DefaultEndpoint]
	Token    string // "" for none: public repositories need none
	Cache    string // the folder of the cache; it is made when needed
	Offline  bool   // take what the cache has and ask nobody

	HTTP *http.Client // nil: one that gives up when no answer comes within 30 s
	// Tries is the number of failures in a row after which a request is given up; 0: 5.
	Tries int
	// Backoff is the wait after the first failure; it doubles with each; 0: 1 s.
	Backoff time.Duration

	// Progress is called from time to time with the bytes of a large file that are
	// present so far.
	Progress func(file string, done, total int64)
	// Warn is told what is no error, such as that the hub could not be asked whether the
	// cache is current.
	Warn func(sentence string)
}

// FromEnv makes a Client of the environment variables that huggingface_hub reads:
// HF_ENDPOINT, HF_TOKEN (or the file HF_TOKEN_PATH, or token in HF_HOME), HF_HUB_CACHE,
// HF_HOME, XDG_CACHE_HOME, HF_HUB_OFFLINE.
func FromEnv() (*Client, error) {
	home := os.Getenv("HF_HOME")
	if home == "" {
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			user, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("cannot find the hub's cache: %w; set HF_HOME to a folder", err)
			}
			cache = filepath.Join(user, ".cache")
		}
		home = filepath.Join(cache, "huggingface")
	}
	home = expand(home)
	c := &Client{
		Endpoint: strings.TrimRight(os.Getenv("HF_ENDPOINT"), "/"),
		Token:    strings.TrimSpace(first("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")),
		Cache:    expand(first("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")),
		Offline:  isTrue("HF_HUB_OFFLINE") || isTrue("TRANSFORMERS_OFFLINE"),
	}
	if c.Cache == "" {
		c.Cache = filepath.Join(home, "hub")
	}
	if c.Token == "" && !isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
		file := expand(os.Getenv("HF_TOKEN_PATH"))
		if file == "" {
			file = filepath.Join(home, "token")
		}
		token, _ := os.ReadFile(file) // nobody has logged in: no token
		c.Token = strings.TrimSpace(string(token))
	}
	return c, nil
}

func first(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// isTrue is huggingface_hub's reading of a switch.
func isTrue(name string) bool {
	switch strings.ToUpper(os.Getenv(name)) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// expand replaces variables, and ~ at the beginning.
func expand(path string) string {
	path = os.ExpandEnv(path)
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || rest[0] == '/' || rest[0] == filepath.Separator) {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}

func (c *Client) endpoint() string {
	if c.Endpoint == "" {
		return DefaultEndpoint
	}
	return strings.TrimRight(c.Endpoint, "/")
}

func (c *Client) warn(format string, args ...any) {
	if c.Warn != nil {
		c.Warn(fmt.Sprintf(format, args...))
	}
}

// File returns the path of a file of a repository, in the cache, where it is fetched to
// if need be. The hub is asked for the current commit of a branch or tag; a commit that
// is in the cache is not asked for. When the hub cannot be reached and the cache has the
// file, that is returned, and Warn is told. The file may be read, not changed.
//
// Errors wrap one of the Err… values where the reason is one of these.
func (c *Client) File(ctx context.Context, ref Ref, name string) (string, error) {
	path, err := c.file(ctx, ref, name)
	if err != nil {
		return "", fmt.Errorf("cannot fetch %q of %q: %w", name, ref, err)
	}
	return path, nil
}

func (c *Client) file(ctx context.Context, ref Ref, name string) (string, error) {
	if c.Cache == "" {
		panic("BUG: a hub.Client without a cache")
	}
	if err := ref.check(); err != nil {
		return "", err
	}
	if !safe(name) {
		return "", fmt.Errorf("%q is no name of a file in a repository", name)
	}
	folder := repoFolder{c.Cache, ref.Repo}
	cached, missing := folder.find(ref.revision(), name)
	switch {
	case cached != "" && (c.Offline || commitHash.MatchString(ref.revision())):
		return cached, nil
	case c.Offline && missing:
		return "", fmt.Errorf("%w named so, as the cache remembers", ErrNoFile)
	case c.Offline:
		return "", fmt.Errorf("%w, and it is not in the cache %q; unset HF_HUB_OFFLINE to fetch it", ErrOffline, c.Cache)
	}
	tries := c.tries()
	if cached != "" {
		tries = 1 // a hub that is away should not keep waiting those who have the file
	}
	meta, err := c.head(ctx, ref, name, tries)
	if missing := (missingFile{}); errors.As(err, &missing) && meta.commit != "" {
		folder.rememberMissing(ref.revision(), meta.commit, name)
		return "", missing.error
	}
	if err != nil {
		if cached != "" && fallsBack(err) && ctx.Err() == nil {
			c.warn("cannot ask the hub whether %q of %q is current: %s; the cached file is used", name, ref, err)
			return cached, nil
		}
		return "", err
	}
	return c.fetch(ctx, folder, ref, name, meta)
}

func (c *Client) tries() int {
	if c.Tries == 0 {
		return 5
	}
	return c.Tries
}

// wait doubles with each failure, up to half a minute.
func (c *Client) wait(failures int) time.Duration {
	backoff := c.Backoff
	if backoff == 0 {
		backoff = time.Second
	}
	return min(backoff<<min(failures-1, 10), 30*time.Second)
}

func (c *Client) header() http.Header {
	h := http.Header{"User-Agent": {"torchlit"}}
	if c.Token != "" {
		h.Set("Authorization", "Bearer "+c.Token)
	}
	return h
}

// client returns an http.Client that follows redirects as far as follow says, and never
// hands the token to another host.
func (c *Client) client(follow func(next *http.Request, first *http.Request) bool) *http.Client {
	base := c.HTTP
	if base == nil {
		base = defaultHTTP
	}
	client := *base
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return fmt.Errorf("ten redirects, the last to %q", next.URL.Host)
		}
		if !follow(next, via[0]) {
			return http.ErrUseLastResponse
		}
		if next.URL.Host != via[0].URL.Host {
			next.Header.Del("Authorization")
		}
		return nil
	}
	return &client
}

// defaultHTTP keeps connections for the files of a repository.
var defaultHTTP = func() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: t}
}()

// fetchOptions are those of a large file.
func (c *Client) fetchOptions(name string) fetch.Options {
	o := fetch.Options{
		Client: c.client(func(*http.Request, *http.Request) bool { return true }),
		Header: c.header(), Partial: ".incomplete", Tries: c.tries(), Backoff: c.wait(1),
		Retry: func(err error, wait time.Duration) {
			c.warn("the download of %q was cut short: %s; it goes on in %v", name, err, wait)
		},
	}
	if c.Progress != nil {
		o.Progress = func(done, total int64) { c.Progress(name, done, total) }
	}
	return o
}
