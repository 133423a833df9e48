package distributed

import (
	"errors"
	"sync"
	"time"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/internal/mpi"
)

// MPI is a communicator of MPI's: all the processes that mpirun started. One operation
// of a communicator runs at a time; different communicators may be used at once.
//
// An operation gives up after its patience, and MPI cannot take it back: the
// communicator is of no use then, and the process should end without Close, so that
// mpirun ends the others.
type MPI struct {
	c          mpi.Comm
	rank, size int
}

// open counts the communicators that are open: MPI ends with the last.
var open struct {
	mu      sync.Mutex
	comms   int
	started bool
}

// StartMPI starts MPI and returns the communicator of all ranks. MPI starts only once
// in the life of a process.
func StartMPI() (*MPI, error) {
	open.mu.Lock()
	defer open.mu.Unlock()
	if open.started {
		return nil, errors.New("MPI was started before in this process, and starts only once: duplicate its communicator")
	}
	c, rank, size, err := mpi.Init()
	if err != nil {
		return nil, err
	}
	open.started = true
	open.comms++
	return &MPI{c, int(rank), int(size)}, nil
}

// Rank is this process's number, from 0.
func (m *MPI) Rank() int { return m.rank }

// Size is the number of processes.
func (m *MPI) Size() int { return m.size }

// Duplicate makes another communicator of the same ranks, which all call it.
func (m *MPI) Duplicate() (*MPI, error) {
	c, err := mpi.Duplicate(m.c)
	if err != nil {
		return nil, err
	}
	open.mu.Lock()
	defer open.mu.Unlock()
	open.comms++
	return &MPI{c, m.rank, m.size}, nil
}

// AllReduce adds the elements of data, of the given dtype, up over all ranks, in
// place. The dtypes are torch.Float, torch.Double and torch.Long.
func (m *MPI) AllReduce(data []byte, dtype int8, patience time.Duration) error {
	kinds := map[int8]struct{ kind, size int64 }{
		torch.Float: {mpi.Float32, 4}, torch.Double: {mpi.Float64, 8}, torch.Long: {mpi.Int64, 8},
	}
	k, ok := kinds[dtype]
	if !ok {
		panic("BUG: MPI does not add up this dtype")
	}
	return mpi.AllReduce(m.c, data, int64(len(data))/k.size, k.kind, patience)
}

// Broadcast overwrites data by root's.
func (m *MPI) Broadcast(data []byte, root int, patience time.Duration) error {
	return mpi.Broadcast(m.c, data, int64(root), patience)
}

// AllGather writes every rank's bytes, of which all have the same number, to all, one
// behind the other.
func (m *MPI) AllGather(mine, all []byte, patience time.Duration) error {
	return mpi.AllGather(m.c, mine, all, patience)
}

// Barrier waits until all ranks have called it.
func (m *MPI) Barrier(patience time.Duration) error { return mpi.Barrier(m.c, patience) }

// Close drops the communicator, and ends MPI with the last one, which waits for the
// other ranks to do so. It does nothing the second time.
func (m *MPI) Close() error {
	if m.c == nil {
		return nil
	}
	err := mpi.Free(m.c)
	m.c = nil
	open.mu.Lock()
	defer open.mu.Unlock()
	open.comms--
	if open.comms > 0 || err != nil {
		return err
	}
	return mpi.Finalize()
}
