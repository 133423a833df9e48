package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/torchlit/torchlit/tools/deps/internal/fetch"
	"github.com/torchlit/torchlit/tools/deps/internal/host"
	"github.com/torchlit/torchlit/tools/deps/internal/manifest"
	"github.com/torchlit/torchlit/tools/deps/internal/unpack"
)

// config is what the flags say.
type config struct {
	Dir      string // holds downloads/ and libtorch/
	Manifest string
	Platform string
	Flavour  manifest.Flavour
	Given    string // libtorch folder of the user; "" fetches one
	Python   string
	Attempts int // downloads per wheel; 0 means the fetcher's default
	Log      *os.File
}

// stampName is the file that marks a whole and finished libtorch folder.
const stampName = ".torchlit-deps"

func (c *config) run(ctx context.Context, h *host.Host) error {
	m, err := manifest.Load(c.Manifest)
	if err != nil {
		return err
	}
	if c.Given != "" {
		if err := checkGiven(c.Given, m.Version, c.Platform, c.Flavour); err != nil {
			return err
		}
		return h.Provide(ctx, toolsFor(c, false))
	}
	p, err := m.Platform(c.Platform)
	if err != nil {
		return err
	}
	if c.finished(m, p) {
		return h.Provide(ctx, toolsFor(c, false))
	}
	if err := h.Provide(ctx, toolsFor(c, true)); err != nil {
		return err
	}
	return c.fetch(ctx, m, p)
}

// toolsFor leaves pip out when there is nothing to download.
func toolsFor(c *config, download bool) []host.Need {
	needs := host.Needs(os.Getenv("CXX"), c.Python)
	if download {
		return needs
	}
	kept := needs[:0]
	for _, n := range needs {
		if !n.Download {
			kept = append(kept, n)
		}
	}
	return kept
}

// fetch downloads, checks and unpacks. Two runs at once (make serve in one window and
// make test in another) wait for each other, and the second finds the work done.
func (c *config) fetch(ctx context.Context, m *manifest.Manifest, p *manifest.Platform) error {
	downloads := filepath.Join(c.Dir, "downloads")
	if err := os.MkdirAll(downloads, 0o755); err != nil {
		return fmt.Errorf("cannot make the folder for native libraries: %w", err)
	}
	unlock, err := host.Lock(filepath.Join(c.Dir, ".lock"), func() { c.logf("waiting for another make that fetches libtorch") })
	if err != nil {
		return err
	}
	defer unlock()
	if c.finished(m, p) {
		return nil
	}
	c.sweep()

	wheels, err := p.Select(c.Flavour)
	if err != nil {
		return err
	}
	need := p.SpaceMB[c.Flavour]
	for _, w := range wheels {
		if st, err := os.Stat(filepath.Join(downloads, w.File)); err == nil {
			need -= st.Size() / 1_000_000
		}
	}
	if err := host.NeedSpace(c.Dir, need); err != nil {
		return err
	}

	c.logf("fetching libtorch %s (%s, %s) into %s; up to %d MB of disk", m.Version, p.Name, c.Flavour, c.Dir, need)
	f := &fetch.Fetcher{Dir: downloads, Download: fetch.Pip(c.Python, c.Log), Attempts: c.Attempts, Logf: c.logf}
	var sources []unpack.Source
	for _, w := range wheels {
		path, err := f.Get(ctx, w)
		if err != nil {
			return fmt.Errorf("%w; check the network, or set LIBTORCH=/path to a libtorch %s that is there already", err, m.Version)
		}
		sources = append(sources, unpack.Source{Wheel: path, Root: w.Root, Keep: w.Keep[c.Flavour]})
	}
	dst := filepath.Join(c.Dir, "libtorch")
	if err := unpack.Folder(dst, sources, stampName, []byte(c.stamp(m, p, c.Flavour)), c.progress()); err != nil {
		return err
	}
	c.logf("libtorch %s is ready in %s", m.Version, dst)
	return nil
}

// stamp describes what a finished folder holds. The sum covers the wheels and what is
// taken out of them, so that any change of the list makes an old folder stale.
func (c *config) stamp(m *manifest.Manifest, p *manifest.Platform, fl manifest.Flavour) string {
	wheels, err := p.Select(fl)
	if err != nil {
		return ""
	}
	h := sha256.New()
	for _, w := range wheels {
		fmt.Fprintln(h, w.File, w.SHA256, w.Root, w.Keep[fl])
	}
	return fmt.Sprintf("libtorch %s %s %s %x\n", m.Version, p.Name, fl, h.Sum(nil))
}

// finished reports whether the folder is there and fits. One with CUDA serves a build
// without it as well, so that a plain make does not throw gigabytes away.
func (c *config) finished(m *manifest.Manifest, p *manifest.Platform) bool {
	b, err := os.ReadFile(filepath.Join(c.Dir, "libtorch", stampName))
	if err != nil {
		return false
	}
	have := string(b)
	return have == c.stamp(m, p, c.Flavour) || have == c.stamp(m, p, manifest.CUDA)
}

// sweep removes what a killed run left behind. The lock is held: nobody uses it.
func (c *config) sweep() {
	for _, pattern := range []string{unpack.TempPrefix + "*", filepath.Join("downloads", fetch.TempPrefix+"*")} {
		left, err := filepath.Glob(filepath.Join(c.Dir, pattern))
		if err != nil {
			panic(fmt.Sprintf("BUG: pattern %q: %v", pattern, err))
		}
		for _, name := range left {
			os.RemoveAll(name)
		}
	}
}

func (c *config) logf(format string, args ...any) {
	fmt.Fprintf(c.Log, "deps: "+strings.TrimSuffix(format, "\n")+"\n", args...)
}
