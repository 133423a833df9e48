// Package fetch brings wheels to the disk: whole, checked and only once.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/torchlit/torchlit/tools/deps/internal/manifest"
)

// Fetcher keeps finished wheels in Dir. Two fetchers must not share a Dir at once.
type Fetcher struct {
	Dir      string                                                         // created when missing
	Download func(ctx context.Context, w manifest.Wheel, into string) error // leaves w.File in the folder into
	Attempts int                                                            // tries per wheel; 0 means 3
	Wait     func(ctx context.Context, d time.Duration) error               // between tries; nil means a timer
	Logf     func(format string, args ...any)                               // nil means silence
}

// TempPrefix starts the names of folders that a killed run may leave in Dir.
const TempPrefix = ".tmp-"

// errWrongHash marks a file that arrived whole but is not the pinned one.
var errWrongHash = errors.New("SHA-256 differs from the pinned one")

// Get returns the path of the checked wheel, downloading it when it is not there.
//
// A file in Dir is trusted only after its hash was compared again: it may have been
// cut short by a full disk or put there by hand. A download goes to a folder of its
// own and is renamed when its hash is right, so Dir never holds a half file under a
// final name. A wrong file is removed, and the next call starts afresh.
func (f *Fetcher) Get(ctx context.Context, w manifest.Wheel) (string, error) {
	path := filepath.Join(f.Dir, w.File)
	switch err := check(path, w.SHA256); {
	case err == nil:
		return path, nil
	case errors.Is(err, os.ErrNotExist):
	case errors.Is(err, errWrongHash):
		f.logf("%s is damaged (%v): removed, fetching it again", w.File, err)
		if err := os.Remove(path); err != nil {
			return "", fmt.Errorf("cannot remove the damaged file: %w", err)
		}
	default:
		return "", err
	}

	attempts := f.Attempts
	if attempts == 0 {
		attempts = 3
	}
	pause := 2 * time.Second
	for try := 1; ; try++ {
		err := f.try(ctx, w, path)
		if err == nil {
			return path, nil
		}
		if try == attempts || ctx.Err() != nil {
			return "", fmt.Errorf("cannot download %s: %w", w.File, err)
		}
		f.logf("download of %s failed (%v); try %d of %d in %s", w.File, err, try+1, attempts, pause)
		if err := f.wait(ctx, pause); err != nil {
			return "", err
		}
		pause *= 2
	}
}

func (f *Fetcher) try(ctx context.Context, w manifest.Wheel, path string) error {
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(f.Dir, TempPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := f.Download(ctx, w, tmp); err != nil {
		return err
	}
	got := filepath.Join(tmp, w.File)
	if err := check(got, w.SHA256); err != nil {
		return err
	}
	return os.Rename(got, path)
}

// check returns nil when the file at path has that SHA-256.
func check(path, sum string) error {
	r, err := os.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return fmt.Errorf("cannot read %q: %w", path, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return fmt.Errorf("%w: got %s; want %s", errWrongHash, got, sum)
	}
	return nil
}

func (f *Fetcher) wait(ctx context.Context, d time.Duration) error {
	if f.Wait != nil {
		return f.Wait(ctx, d)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (f *Fetcher) logf(format string, args ...any) {
	if f.Logf != nil {
		f.Logf(format, args...)
	}
}
