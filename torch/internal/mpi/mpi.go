// Package mpi is the door to MPI. Its native side (torch/csrc/mpi) is built by make
// where there is an mpicc, and opened with dlopen at first use.
//
// Functions may be called from any goroutine; on one communicator, only one at a time.
package mpi

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// The element types that AllReduce adds up: the TM_* constants of torchlit_mpi.h.
const (
	Int64 = iota
	Float32
	Float64
)

// Comm is a handle of a communicator.
type Comm = unsafe.Pointer

var loaded struct {
	once sync.Once
	err  error
}

// Load opens the native library. Only the first call does work.
func Load() error {
	loaded.once.Do(func() { loaded.err = open() })
	return loaded.err
}

func open() error {
	tried := candidates()
	for _, path := range tried {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := rawOpen(path); err != nil {
			return fmt.Errorf("cannot open %q: %w", path, err)
		}
		return nil
	}
	return fmt.Errorf("cannot find Torchlit's MPI library: looked for %q; install OpenMPI with its headers (Debian: openmpi-bin libopenmpi-dev), then run 'make build'", tried)
}

// candidates lists where the library may be: where the environment says, beside the
// binary, and in the source tree that this file was compiled from.
func candidates() []string {
	const name = "libtorchlit_mpi.so"
	if path := os.Getenv("TORCHLIT_MPI"); path != "" {
		return []string{path}
	}
	var paths []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		root := filepath.Dir(filepath.Dir(exe))
		paths = append(paths, filepath.Join(root, ".deps", "native", name), filepath.Join(root, "lib", name))
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		paths = append(paths, filepath.Join(filepath.Dir(file), "..", "..", "..", ".deps", "native", name))
	}
	return paths
}

// do runs a raw call and turns its status into an error.
func do(call func(e *errorText) int32) error {
	if err := Load(); err != nil {
		return err
	}
	e := new(errorText)
	if call(e) != 0 {
		return errors.New(e.String())
	}
	return nil
}

// Init starts MPI, once in the life of a process, and returns the communicator of all
// ranks.
func Init() (c Comm, rank, size int64, err error) {
	err = do(func(e *errorText) int32 { return rawInit(&c, &rank, &size, e) })
	return c, rank, size, err
}

// Duplicate makes another communicator of the same ranks, which all call it.
func Duplicate(c Comm) (d Comm, err error) {
	err = do(func(e *errorText) int32 { return rawDuplicate(c, &d, e) })
	return d, err
}

// Free drops a communicator.
func Free(c Comm) error { return do(func(e *errorText) int32 { return rawFree(c, e) }) }

// AllReduce adds count elements of a type up over all ranks, in place.
func AllReduce(c Comm, data []byte, count, kind int64, patience time.Duration) error {
	return do(func(e *errorText) int32 { return rawAllReduce(c, data, count, kind, patience.Seconds(), e) })
}

// Broadcast overwrites data by root's.
func Broadcast(c Comm, data []byte, root int64, patience time.Duration) error {
	return do(func(e *errorText) int32 { return rawBroadcast(c, data, root, patience.Seconds(), e) })
}

// AllGather writes every rank's bytes to all, one behind the other.
func AllGather(c Comm, mine, all []byte, patience time.Duration) error {
	return do(func(e *errorText) int32 { return rawAllGather(c, mine, all, patience.Seconds(), e) })
}

// Barrier waits until all ranks have called it.
func Barrier(c Comm, patience time.Duration) error {
	return do(func(e *errorText) int32 { return rawBarrier(c, patience.Seconds(), e) })
}

// Finalize ends MPI. All ranks call it, after they have freed their communicators.
func Finalize() error { return do(rawFinalize) }
