package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/torchlit/torchlit/tools/deps/internal/manifest"
)

const content = "the wheel"

func wheel() manifest.Wheel {
	sum := sha256.Sum256([]byte(content))
	return manifest.Wheel{File: "torch-2.11.0-cp312-cp312-any.whl", SHA256: hex.EncodeToString(sum[:])}
}

// fake answers each download with the next of its replies; an error reply has content "".
type fake struct {
	replies []string
	waits   []time.Duration
}

func (f *fake) download(_ context.Context, w manifest.Wheel, into string) error {
	if len(f.replies) == 0 {
		return errors.New("one download too many")
	}
	text := f.replies[0]
	f.replies = f.replies[1:]
	if text == "" {
		return errors.New("no network")
	}
	return os.WriteFile(filepath.Join(into, w.File), []byte(text), 0o644)
}

func (f *fake) fetcher(dir string) *Fetcher {
	return &Fetcher{Dir: dir, Download: f.download, Wait: func(_ context.Context, d time.Duration) error {
		f.waits = append(f.waits, d)
		return nil
	}}
}

func TestGet(t *testing.T) {
	f := func(present string, replies []string, wantErr string, wantWaits int) {
		t.Helper()
		dir := t.TempDir()
		path := filepath.Join(dir, wheel().File)
		if present != "" {
			if err := os.WriteFile(path, []byte(present), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		fk := &fake{replies: replies}
		got, err := fk.fetcher(dir).Get(t.Context(), wheel())
		if len(fk.waits) != wantWaits {
			t.Fatalf("waited %v; want %d waits", fk.waits, wantWaits)
		}
		left, _ := os.ReadDir(dir)
		if wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), wantErr) {
				t.Fatalf("got error %v; want %q", err, wantErr)
			}
			if len(left) != 0 {
				t.Fatalf("a failed download left %v", left)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(got); got != path || string(b) != content || len(left) != 1 {
			t.Fatalf("got %q with %q, folder %v; want the wheel alone", got, b, left)
		}
	}
	f(content, nil, "", 0)                                         // kept: no download
	f("", []string{content}, "", 0)                                // fetched
	f("cut sho", []string{content}, "", 0)                         // damaged file replaced
	f("", []string{"", content}, "", 1)                            // second try
	f("", []string{"evil", content}, "", 1)                        // wrong bytes are never kept
	f("", []string{"", "", ""}, "cannot download torch-2.11.0", 2) // offline
	f("", []string{"evil", "evil", "evil"}, "SHA-256 differs", 2)  // another file was put there
	f("", []string{"", "", "evil"}, "pinned", 2)
}

func TestGetStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	fk := &fake{replies: []string{""}}
	fe := fk.fetcher(t.TempDir())
	fe.Download = func(ctx context.Context, w manifest.Wheel, into string) error {
		cancel()
		return fk.download(ctx, w, into)
	}
	if _, err := fe.Get(ctx, wheel()); err == nil || len(fk.waits) != 0 {
		t.Fatalf("got %v after %d waits; want an error at once", err, len(fk.waits))
	}
}

// TestPip runs a python3 made of shell: it checks what pip would be asked, and what
// is told when pip fails.
func TestPip(t *testing.T) {
	python := func(script string) string {
		name := filepath.Join(t.TempDir(), "python3")
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
		return name
	}
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := Pip(python(`echo "$@" >&2`), log)(t.Context(), wheel(), dir); err != nil {
		t.Fatal(err)
	}
	asked, _ := os.ReadFile(log.Name())
	for _, want := range []string{"-m pip download", "--dest " + dir, "--no-deps", "--abi cp312", "--platform any", "torch==2.11.0"} {
		if !strings.Contains(string(asked), want) {
			t.Errorf("pip was asked %q; want %q in it", asked, want)
		}
	}

	f := func(stderr, want string) {
		t.Helper()
		err := Pip(python("cat >&2 <<'END'\n"+stderr+"\nEND\nexit 1"), log)(t.Context(), wheel(), dir)
		if err == nil || err.Error() != want {
			t.Fatalf("got %v; want %q", err, want)
		}
	}
	const retrying = "WARNING: Retrying (Retry(total=1)) after connection broken by "
	f(retrying+"'NameResolutionError: Name or service not known': /simple/torch/\nERROR: No matching distribution found",
		"pip: NameResolutionError: Name or service not known")
	f(retrying+"'ProxyError('Cannot connect to proxy.', NewConnectionError('<object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))': /simple/torch/\nERROR: No matching distribution found",
		"pip: [Errno 111] Connection refused")
	f("ERROR: No matching distribution found for torch\nERROR: second", "pip: No matching distribution found for torch")
	f("something else", "pip: exit status 1")
}
