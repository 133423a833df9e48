package main

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/torchlit/torchlit/tools/deps/internal/host"
	"github.com/torchlit/torchlit/tools/deps/internal/manifest"
)

const (
	torchFile = "torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl"
	ncclFile  = "nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl"
)

// world is a machine with a package index of two tiny wheels, a python3 made of shell
// that serves them, and a manifest that pins them.
type world struct {
	t     *testing.T
	index string
	cfg   config
	host  *host.Host
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, index: t.TempDir()}
	torch := w.wheel(torchFile, "torch/include/torch/headeronly/version.h", "torch/lib/libtorch_cpu.so", "torch/lib/libtorch_cuda.so", "torch/lib/libshm.so")
	nccl := w.wheel(ncclFile, "nvidia/nccl/lib/libnccl.so.2")
	dir := t.TempDir()
	list := filepath.Join(dir, "LIBTORCH")
	w.write(list, fmt.Sprintf(`version 2.11.0
platform linux/amd64
	space cpu 1 cuda 2
	wheel %s
		sha256 %s
		root torch
		cpu include/ lib/libtorch_cpu.so
		cuda lib/libtorch_cuda.so
	wheel %s
		sha256 %s
		root nvidia/nccl
		cuda lib/libnccl.so.2
`, torchFile, torch, ncclFile, nccl))
	python := filepath.Join(dir, "python3")
	w.write(python, `#!/bin/sh
echo "$@" >> "`+w.index+`/calls"
case "$*" in *--version*) exit 0;; esac
if [ -e "`+w.index+`/offline" ]; then echo "ERROR: no route to the index" >&2; exit 1; fi
while [ "$1" != --dest ]; do shift; done
cp "`+w.index+`"/*.whl "$2"
`)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	w.cfg = config{Dir: filepath.Join(dir, ".deps"), Manifest: list, Platform: "linux/amd64", Flavour: manifest.CPU, Python: python, Log: log}
	w.host = host.This(log)
	w.host.Root = false
	w.host.LookPath = func(file string) (string, error) { return file, nil }
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// wheel puts a wheel into the index and returns its SHA-256.
func (w *world) wheel(file string, names ...string) string {
	w.t.Helper()
	path := filepath.Join(w.index, file)
	f, err := os.Create(path)
	if err != nil {
		w.t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, n := range names {
		e, err := z.Create(n)
		if err != nil {
			w.t.Fatal(err)
		}
		fmt.Fprint(e, n)
	}
	if err := z.Close(); err != nil {
		w.t.Fatal(err)
	}
	f.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// run runs deps and returns how many downloads it made.
func (w *world) run(fl manifest.Flavour) (downloads int, err error) {
	w.t.Helper()
	calls := filepath.Join(w.index, "calls")
	os.Remove(calls)
	w.cfg.Flavour = fl
	err = w.cfg.run(w.t.Context(), w.host)
	b, _ := os.ReadFile(calls)
	return strings.Count(string(b), "pip download"), err
}

func (w *world) has(name string) bool {
	_, err := os.Stat(filepath.Join(w.cfg.Dir, "libtorch", name))
	return err == nil
}

func TestFetchOnceThenStamp(t *testing.T) {
	w := newWorld(t)
	f := func(fl manifest.Flavour, wantDownloads int) {
		t.Helper()
		n, err := w.run(fl)
		if err != nil || n != wantDownloads {
			t.Fatalf("%s: %d downloads, error %v; want %d and none", fl, n, err, wantDownloads)
		}
	}
	f(manifest.CPU, 1)
	if !w.has("lib/libtorch_cpu.so") || !w.has("include/torch/headeronly/version.h") || w.has("lib/libtorch_cuda.so") || w.has("lib/libshm.so") {
		t.Fatal("the CPU folder holds the wrong files")
	}
	f(manifest.CPU, 0)
	f(manifest.CUDA, 1) // torch's wheel is kept; NCCL's comes
	if !w.has("lib/libtorch_cuda.so") || !w.has("lib/libnccl.so.2") {
		t.Fatal("the CUDA folder lacks files")
	}
	f(manifest.CPU, 0) // one with CUDA will do
	if !w.has("lib/libnccl.so.2") {
		t.Fatal("a run without CUDA threw the CUDA libraries away")
	}

	// A changed list makes the folder stale, with no new download.
	b, _ := os.ReadFile(w.cfg.Manifest)
	w.write(w.cfg.Manifest, strings.Replace(string(b), "lib/libtorch_cpu.so", "lib/libtorch_cpu.so lib/libshm.so", 1))
	f(manifest.CPU, 0)
	if !w.has("lib/libshm.so") {
		t.Fatal("a changed list did not unpack again")
	}
}

// TestInterrupted finds the remains of killed runs: none is taken for a finished folder,
// and all are swept away.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	w.write(filepath.Join(w.cfg.Dir, "downloads", ".tmp-1", torchFile), "half")
	w.write(filepath.Join(w.cfg.Dir, ".unpack-1", "fresh", "lib", "libtorch_cpu.so"), "half")
	w.write(filepath.Join(w.cfg.Dir, "downloads", torchFile), "half")
	w.write(filepath.Join(w.cfg.Dir, "libtorch", "lib", "libtorch_cpu.so"), "half, and no stamp")
	if n, err := w.run(manifest.CPU); err != nil || n != 1 {
		t.Fatalf("%d downloads, error %v; want 1 and none", n, err)
	}
	if b, _ := os.ReadFile(filepath.Join(w.cfg.Dir, "libtorch", "lib", "libtorch_cpu.so")); string(b) != "torch/lib/libtorch_cpu.so" {
		t.Fatalf("libtorch_cpu.so is %q", b)
	}
	if left, _ := filepath.Glob(filepath.Join(w.cfg.Dir, "*", ".tmp-*")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(w.cfg.Dir, ".unpack-*")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	f := func(change func(w *world), want ...string) {
		t.Helper()
		w := newWorld(t)
		change(w)
		w.cfg.Attempts = 1 // no second try, so no waiting
		err := w.cfg.run(t.Context(), w.host)
		for _, s := range want {
			if err == nil || !strings.Contains(err.Error(), s) {
				t.Fatalf("got %v; want %q in it", err, s)
			}
		}
	}
	f(func(w *world) { w.write(filepath.Join(w.index, "offline"), "") },
		"cannot download "+torchFile, "check the network", "set LIBTORCH=/path to a libtorch 2.11.0")
	f(func(w *world) { w.cfg.Platform = "plan9/386" }, "no prebuilt libtorch 2.11.0 for plan9/386", "set LIBTORCH=/path")
	f(func(w *world) { w.cfg.Manifest += "x" }, "cannot read the list of native libraries")
	f(func(w *world) {
		b, _ := os.ReadFile(w.cfg.Manifest)
		w.write(w.cfg.Manifest, strings.Replace(string(b), "space cpu 1 ", "space cpu 999999999999 ", 1))
	}, "not enough disk space", "bigger disk")
}

func TestGiven(t *testing.T) {
	const defines = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n#define TORCH_VERSION_PATCH 0\n"
	f := func(fl manifest.Flavour, files map[string]string, want string) {
		t.Helper()
		dir := t.TempDir()
		w := &world{t: t}
		for name, text := range files {
			w.write(filepath.Join(dir, name), text)
		}
		err := checkGiven(dir, "2.11.0", "linux/amd64", fl)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Fatalf("got %v; want %q", err, want)
		}
	}
	const header, oldHeader = "include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"
	good := map[string]string{"lib/libtorch_cpu.so": "", "lib/libc10.so": "", header: defines}
	f(manifest.CPU, good, "")
	f(manifest.CUDA, good, "there is no lib/libtorch_cuda.so")
	f(manifest.CPU, map[string]string{"lib/libc10.so": "", header: defines}, "there is no lib/libtorch_cpu.so")
	f(manifest.CPU, map[string]string{"lib/libtorch_cpu.so": "", "lib/libc10.so": ""}, "there is no include/")
	f(manifest.CPU, map[string]string{"lib/libtorch_cpu.so": "", "lib/libc10.so": "", oldHeader: strings.Replace(defines, "11", "4", 1)},
		"its headers are of version 2.4.0, and Torchlit is written for 2.11.0; unset LIBTORCH")
	if err := checkGiven("relative", "2.11.0", "linux/amd64", manifest.CPU); err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Fatalf("got %v for a relative path", err)
	}
}
