package hub

import (
	"context"
	"crypto/sha1" // git's name of a content
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/torchlit/torchlit/dataset/fetch"
)

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// maxSmall bounds the files that are held in memory while they are fetched: those that
// git has itself, such as config.json.
const maxSmall = 16 << 20

// fetch brings a file into the cache and links it. One process at a time fetches a
// content; the others wait for it and find it there.
func (c *Client) fetch(ctx context.Context, f repoFolder, ref Ref, name string, m meta) (string, error) {
	if path := f.snapshot(m.commit, name); exists(path) {
		_ = f.remember(ref.revision(), m.commit) // the cache may be read-only
		return path, nil
	}
	if err := f.prepare(m.etag); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, f.lock(m.etag))
	if err != nil {
		return "", fmt.Errorf("cannot lock the cache: %w", err)
	}
	defer unlock()
	if blob := f.blob(m.etag); !exists(blob) {
		if err := c.blob(ctx, ref.Repo, name, m, blob); err != nil {
			return "", explainFull(err, blob, m.size)
		}
	}
	path, err := f.link(m.etag, m.commit, name)
	if err != nil {
		return "", err
	}
	return path, f.remember(ref.revision(), m.commit)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// blob fetches a content from the very commit that the hub named, so that a branch that
// moves meanwhile does no harm.
func (c *Client) blob(ctx context.Context, repo, name string, m meta, path string) error {
	from := c.url(repo, m.commit, name)
	if !sha256Hex.MatchString(m.etag) && m.size <= maxSmall {
		return c.small(ctx, from, m, path)
	}
	if m.size < 0 {
		return errors.New("the hub does not say how large the file is; try again later")
	}
	file := fetch.File{URL: from, Size: m.size}
	if sha256Hex.MatchString(m.etag) {
		file.SHA256 = m.etag
	}
	if err := room(path, m.size); err != nil {
		return err
	}
	err := fetch.Download(ctx, file, path, c.fetchOptions(name))
	if errors.Is(err, fetch.ErrMismatch) {
		os.Remove(path + ".incomplete")
		return fmt.Errorf("%w; nothing was kept, try again: %w", ErrWrongContent, err)
	}
	return err
}

// small fetches a file into memory and checks it before it is written.
func (c *Client) small(ctx context.Context, from string, m meta, path string) error {
	return c.retry(ctx, c.tries(), func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
		if err != nil {
			return err
		}
		req.Header = c.header()
		resp, err := c.client(func(*http.Request, *http.Request) bool { return true }).Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return statusError{resp.Status}
		}
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxSmall+1))
		if err != nil {
			return statusError{"with half a file: " + err.Error()}
		}
		if len(data) > maxSmall || m.size >= 0 && int64(len(data)) != m.size {
			return fmt.Errorf("%w: it has %d bytes, not %d", ErrWrongContent, len(data), m.size)
		}
		if got := gitHash(data); commitHash.MatchString(m.etag) && got != m.etag {
			return fmt.Errorf("%w: its hash is %s, not %s", ErrWrongContent, got, m.etag)
		}
		return writeFile(path, data)
	})
}

// gitHash is the name that git gives a content.
func gitHash(data []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(data))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// room refuses a download that cannot end well. What is there of it already counts.
func room(path string, size int64) error {
	if info, err := os.Stat(path + ".incomplete"); err == nil {
		size -= info.Size()
	}
	if free, ok := freeBytes(filepath.Dir(path)); ok && int64(free) >= 0 && size > int64(free) {
		return fmt.Errorf("%w: the file needs %d MB more, and there are %d MB", syscall.ENOSPC, (size+999_999)/1_000_000, free/1_000_000)
	}
	return nil
}

// explainFull removes what fills a disk, and says what to do about it.
func explainFull(err error, path string, size int64) error {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	os.Remove(path + ".incomplete")
	return fmt.Errorf("%w; what had arrived was removed; free %d MB in %q, or set HF_HOME to a folder on another disk",
		err, (size+999_999)/1_000_000, filepath.Dir(path))
}
