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
// after the other, and returns where all of them lie. A fetch that breaks off is
// tried again and goes on where it was; what is there already, at the length that
// the server announces, is left alone.
func localShards(ctx context.Context, paths []string, opts Options) ([]string, error) {
	out := make([]string, len(paths))
	for i, p := range paths {
		if out[i] = p; !isRemote(p) {
			continue
		}
		if opts.CacheDir == "" {
			return nil, fmt.Errorf("cannot open shard %q: there is no folder to keep it in; set data.cache_dir", p)
		}
		out[i] = filepath.Join(opts.CacheDir, cacheName(p))
		size, err := remoteSize(ctx, p)
		if err != nil {
			if info, statErr := os.Stat(out[i]); statErr == nil && info.Mode().IsRegular() {
				continue // fetched before, and the network is away
			}
			return nil, err
		}
		if info, err := os.Stat(out[i]); err == nil && info.Size() == size {
			continue
		}
		if err := fetch.Download(ctx, fetch.File{URL: p, Size: size}, out[i], fetch.Options{}); err != nil {
			return nil, err
		}
	}
	return out, nil
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
