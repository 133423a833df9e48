//go:build !cgo

package mpi

import "errors"

// The twin of raw_cgo.go for builds without cgo. Load always fails there.

type errorText struct{}

func (e *errorText) String() string { return "" }

func rawOpen(string) error {
	return errors.New("this program was built with CGO_ENABLED=0; build it with cgo")
}

const unreachable = "BUG: MPI called in a build without cgo"

func rawInit(*Comm, *int64, *int64, *errorText) int32 { panic(unreachable) }

func rawDuplicate(Comm, *Comm, *errorText) int32 { panic(unreachable) }

func rawFree(Comm, *errorText) int32 { panic(unreachable) }

func rawAllReduce(Comm, []byte, int64, int64, float64, *errorText) int32 { panic(unreachable) }

func rawBroadcast(Comm, []byte, int64, float64, *errorText) int32 { panic(unreachable) }

func rawAllGather(Comm, []byte, []byte, float64, *errorText) int32 { panic(unreachable) }

func rawBarrier(Comm, float64, *errorText) int32 { panic(unreachable) }

func rawFinalize(*errorText) int32 { panic(unreachable) }
