package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/torchlit/torchlit/dataset/fetch"
)

// localShards fetches the shards that are addresses into the cache folder, one
// after the other, and returns where all of them lie.
func localShards(ctx context.Context, paths []string, opts Options) ([]string, error) {
	if opts.Log == nil {
		opts.Log = func(string) {}
	}
	out := make([]string, len(paths))
	for i, p := range paths {
		if out[i] = p; !isRemote(p) {
			continue
		}
		if opts.CacheDir == "" {
			return nil, fmt.Errorf("cannot open shard %q: there is no folder to keep it in; set data.cache_dir", p)
		}
		out[i] = filepath.Join(opts.CacheDir, cacheName(p))
		if err := keepShard(ctx, p, out[i], opts); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keepShard makes path hold the shard at an address. A fetch that breaks off is
// tried again and goes on where it was; what is there already, at the length that
// the server announces, is left alone. The processes of a run on several GPUs ask
// for the same shard at once: one fetches it, the others wait.
func keepShard(ctx context.Context, address, path string, opts Options) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot keep shard %q: %w", address, err)
	}
	unlock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return fmt.Errorf("cannot keep shard %q: %w", address, err)
	}
	defer unlock()
	size, err := remoteSize(ctx, address)
	info, statErr := os.Stat(path)
	switch {
	case err != nil && statErr == nil && info.Mode().IsRegular():
		opts.Log(fmt.Sprintf("%v; using the copy fetched before", err))
		return nil
	case err != nil:
		return err
	case statErr == nil && info.Size() == size:
		return nil
	}
	opts.Log(fmt.Sprintf("fetching %s, %d MB", address, size>>20))
	return fetch.Download(ctx, fetch.File{URL: address, Size: size}, path, fetch.Options{
		Retry: func(err error, wait time.Duration) { opts.Log(fmt.Sprintf("%v; trying again in %v", err, wait)) },
	})
}

// cacheName keeps shards of one name at several addresses apart.
func cacheName(address string) string {
	sum := sha256.Sum256([]byte(address))
	name := "shard.tar"
	if u, err := url.Parse(address); err == nil && path.Base(u.Path) != "/" && path.Base(u.Path) != "." {
		name = path.Base(u.Path)
	}
	return hex.EncodeToString(sum[:6]) + "-" + name
}

// remoteSize asks for the length of a shard, three times at most.
func remoteSize(ctx context.Context, address string) (int64, error) {
	var err error
	for wait := time.Second; ; wait *= 4 {
		var size int64
		var again bool
		if size, again, err = head(ctx, address); err == nil {
			return size, nil
		}
		if !again || wait > 4*time.Second || ctx.Err() != nil {
			return 0, fmt.Errorf("cannot open shard %q: %w", address, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// head makes one request; again tells whether another may go better.
func head(ctx context.Context, address string) (size int64, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return 0, false, err
	}
	req.Header.Set("Accept-Encoding", "identity") // the length of the file, not of a compressed form
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, true, err
	}
	resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return 0, resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, fmt.Errorf("the server answers %s", resp.Status)
	case resp.ContentLength < 0:
		return 0, false, fmt.Errorf("the server does not say how long it is")
	}
	return resp.ContentLength, false, nil
}
