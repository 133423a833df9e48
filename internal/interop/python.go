//go:build interop

// Package interop runs Python programs as referees in tests: the reference
// implementations of the formats that Torchlit shares with them.
package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Torch is the environment of the tests that need PyTorch or timm. They share
// one, because it is large.
var Torch = []string{
	"torch==2.11.0", "torchvision==0.26.0", "timm==1.0.31", "safetensors==0.8.0",
	"numpy==2.4.6", "pillow==13.0.0", "ml_dtypes==0.6.0",
}

// TritonClient is the environment of the tests against NVIDIA's own clients of the Open Inference Protocol.
var TritonClient = []string{
	"tritonclient[http,grpc]==2.73.0", "geventhttpclient==2.6.1", "aiohttp==3.14.5", "numpy==2.4.6", "pillow==13.0.0",
	"ml_dtypes==0.5.4", "grpcio==1.85.3",
}

// Python returns an interpreter with the given requirements installed, each
// pinned as name==version; pip's options may stand among them, as --no-deps for
// a list that is whole in itself. Environments live under .deps/venv and are made once
// for each set of requirements, also when several test binaries ask at once.
func Python(t testing.TB, requirements ...string) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		t.Fatal("cannot find the source tree: do not test with -trimpath")
	}
	sum := sha256.Sum256([]byte(strings.Join(requirements, "\n")))
	dir := filepath.Join(filepath.Dir(file), "..", "..", ".deps", "venv", hex.EncodeToString(sum[:6]))
	python := filepath.Join(dir, "bin", "python")
	unlock := lock(t, dir)
	defer unlock()

	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return python
	}
	run(t, "python3", "-m", "venv", "--clear", dir)
	run(t, python, append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"}, requirements...)...)
	if err := os.WriteFile(done, []byte(strings.Join(requirements, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return python
}

// Run runs a Python script and returns what it prints; the test fails if it does
// not exit with 0.
func Run(t testing.TB, python, script string, args ...string) string {
	t.Helper()
	return run(t, python, append([]string{script}, args...)...)
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func lock(t testing.TB, dir string) (unlock func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}
