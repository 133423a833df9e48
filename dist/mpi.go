package dist

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
)

// mpiGroup is the group whose ranks mpirun started. What makes a lost rank known is
// mpirun, which ends all the others.
type mpiGroup struct {
	timeout time.Duration
	mu      sync.Mutex
	m       *distributed.MPI
	failed  error // sticky
}

func openMPI(timeout time.Duration) (Group, error) {
	m, err := distributed.StartMPI()
	if err != nil {
		return nil, fmt.Errorf("cannot start MPI: %w", err)
	}
	return &mpiGroup{timeout: timeout, m: m}, nil
}

// Rank implements Group.
func (g *mpiGroup) Rank() int { return g.m.Rank() }

// Size implements Group.
func (g *mpiGroup) Size() int { return g.m.Size() }

// operate runs an operation; after the first error none is run.
func (g *mpiGroup) operate(body func() error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		g.failed = body()
	}
	return g.failed
}

// AllReduce implements Group.
func (g *mpiGroup) AllReduce(tensors ...torch.Tensor) error {
	for _, t := range tensors {
		data, err := distributed.Elements(t)
		if err != nil {
			return fmt.Errorf("cannot add up a tensor over the ranks: %w", err)
		}
		dtype := t.Dtype()
		if _, err := sumOf(dtype); err != nil {
			return err
		}
		err = g.operate(func() error {
			if dtype != torch.BFloat16 {
				return g.m.AllReduce(data, dtype, g.timeout)
			}
			wide := widen(numbers[uint16](data))
			if err := g.m.AllReduce(bytesOf(wide), torch.Float, g.timeout); err != nil {
				return err
			}
			narrow(numbers[uint16](data), wide)
			return nil
		})
		runtime.KeepAlive(t.T)
		if err != nil {
			return err
		}
	}
	return nil
}

// Broadcast implements Group.
func (g *mpiGroup) Broadcast(root int, tensors ...torch.Tensor) error {
	if root < 0 || root >= g.Size() {
		return fmt.Errorf("cannot broadcast from rank %d of %d", root, g.Size())
	}
	for _, t := range tensors {
		data, err := distributed.Elements(t)
		if err != nil {
			return fmt.Errorf("cannot broadcast a tensor to the ranks: %w", err)
		}
		err = g.operate(func() error { return g.m.Broadcast(data, root, g.timeout) })
		runtime.KeepAlive(t.T)
		if err != nil {
			return err
		}
	}
	return nil
}

// AllGather implements Group. MPI's takes the same number of bytes from all: first the
// lengths go around, then the values, padded to the longest.
func (g *mpiGroup) AllGather(value []byte) ([][]byte, error) {
	if len(value) > maxValue {
		return nil, fmt.Errorf("cannot gather %d bytes from each rank: at most %d", len(value), maxValue)
	}
	size := g.Size()
	values := make([][]byte, size)
	err := g.operate(func() error {
		lengths := make([]byte, 8*size)
		mine := binary.LittleEndian.AppendUint64(nil, uint64(len(value)))
		if err := g.m.AllGather(mine, lengths, g.timeout); err != nil {
			return err
		}
		longest := slices.Max(numbers[int64](lengths))
		padded := make([]byte, longest)
		copy(padded, value)
		all := make([]byte, longest*int64(size))
		if err := g.m.AllGather(padded, all, g.timeout); err != nil {
			return err
		}
		for i, n := range numbers[int64](lengths) {
			values[i] = all[int64(i)*longest:][:n]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// Barrier implements Group.
func (g *mpiGroup) Barrier() error {
	return g.operate(func() error { return g.m.Barrier(g.timeout) })
}

// Duplicate implements Group.
func (g *mpiGroup) Duplicate() (Group, error) {
	d := &mpiGroup{timeout: g.timeout}
	err := g.operate(func() (err error) {
		d.m, err = g.m.Duplicate()
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Close implements Group. After an error MPI is left as it is: ending it would wait for
// the ranks that do not answer.
func (g *mpiGroup) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return nil // or closed already
	}
	g.failed = errClosed
	return g.m.Close()
}
