// Package libtorch is the one door between Go and libtorch: the only package
// that contains import "C" for it.
//
// The native side (torch/csrc, built by make into libtorchlit) is opened with
// dlopen at first use, so everything above this package builds, vets and runs
// its pure tests on a machine without libtorch, and one Go binary serves with
// whichever native library lies beside it.
//
// Ownership: a tensor handle returned from here is one reference, freed by
// exactly one Free. All functions may be called from any goroutine at once,
// but for the three *Mode functions, which change the state of the calling
// thread: their caller holds it with runtime.LockOSThread until it has put back
// what they returned.
package libtorch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// ErrUnavailable is wrapped by every error of Load.
var ErrUnavailable = errors.New("the native library is not available")

var loaded struct {
	once sync.Once
	path string
	err  error
}

// Load opens the native library. Only the first call does work; the others
// return what that one found.
func Load() error {
	loaded.once.Do(func() { loaded.path, loaded.err = open() })
	return loaded.err
}

// Path tells which file Load opened.
func Path() string {
	if Load() != nil {
		return ""
	}
	return loaded.path
}

func open() (string, error) {
	tried := candidates()
	for _, path := range tried {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := rawOpen(path); err != nil {
			return "", fmt.Errorf("%w: cannot open %q: %w", ErrUnavailable, path, err)
		}
		return path, nil
	}
	return "", fmt.Errorf("%w: looked for %q; run 'make build', or set TORCHLIT_NATIVE to the library's path",
		ErrUnavailable, tried)
}

// candidates lists where the library may be: where the environment says, beside
// the binary as make lays it out (bin/torchlit and .deps/native), installed
// (bin/torchlit and lib), and, for go test and go run, in the source tree that
// this file was compiled from.
func candidates() []string {
	if path := os.Getenv("TORCHLIT_NATIVE"); path != "" {
		return []string{path}
	}
	name := "libtorchlit.so"
	if runtime.GOOS == "darwin" {
		name = "libtorchlit.dylib"
	}
	var paths []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		root := filepath.Dir(filepath.Dir(exe))
		paths = append(paths,
			filepath.Join(root, ".deps", "native", name),
			filepath.Join(root, "lib", name))
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		root := filepath.Join(filepath.Dir(file), "..", "..", "..")
		paths = append(paths, filepath.Join(root, ".deps", "native", name))
	}
	return paths
}

// LibtorchVersion tells the version of libtorch that the library was built
// with, such as "2.11.0". REQUIRES: Load succeeded.
func LibtorchVersion() string { return rawLibtorchVersion() }

// CPUCapability tells which instructions libtorch's own kernels use, such as
// "AVX512". REQUIRES: Load succeeded.
func CPUCapability() string { return rawCPUCapability() }
