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

// Python returns an interpreter with the packages of a section of requirements_dev.txt, or else requirements.txt, installed.
// Environments lie under .deps/venv and are made once for each content of a section, also when several test binaries ask at once.
func Python(t testing.TB, section string) string {
	t.Helper()
	root := repository(t)
	wanted := requirements(t, root, section)
	sum := sha256.Sum256([]byte(strings.Join(wanted, "\n")))
	dir := filepath.Join(root, ".deps", "venv", hex.EncodeToString(sum[:6]))
	python := filepath.Join(dir, "bin", "python")
	unlock := lock(t, dir)
	defer unlock()

	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return python
	}
	run(t, "python3", "-m", "venv", "--clear", dir)
	run(t, python, append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"}, wanted...)...)
	if err := os.WriteFile(done, []byte(strings.Join(wanted, "\n")+"\n"), 0o644); err != nil {
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

// repository is the root of the source tree.
func repository(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		t.Fatal("cannot find the source tree: do not test with -trimpath")
	}
	return filepath.Join(filepath.Dir(file), "..", "..")
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
