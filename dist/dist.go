// Package dist trains on several GPUs, processes or machines at once: each process, a
// rank, has the whole model and a part of every batch, and the gradients are averaged
// over all ranks before each step.
//
// A program does it in a few lines:
//
//	env, err := dist.FromEnvironment()
//	group, err := dist.Open(ctx, env, dist.Options{Device: device})
//	defer group.Close()
//	err = dist.BroadcastParameters(group, net.Parameters(), net.Buffers())
//	reducer, err := dist.NewReducer(group, net.Parameters(), dist.ReducerOptions{})
//	defer reducer.Close()
//	…
//	loss.Backward()      // gradients travel meanwhile
//	err = reducer.Wait() // and are averages now
//	optimizer.Step()
//
// With one process, all of it does nothing and costs nothing.
//
// # Groups
//
// A [Group] is the ranks that train together. Its backends are a ring of TCP
// connections (works everywhere), MPI's allreduce, and NCCL between GPUs. All ranks
// call the same operations of a group in the same order, as in every such library;
// where they do not, the ring says which rank does what.
//
// # When a rank is lost
//
// An operation whose peer has died fails within seconds with a [LostError] that names
// the rank, on all ranks; one that makes no progress fails after Options.Timeout. The
// group is of no use afterwards. The ranks then end, and are started again from their
// last checkpoint.
package dist

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
)

// Group is ranks that train together. Its operations run one at a time; they may be
// called from any goroutine, if all ranks call them in the same order.
type Group interface {
	// Rank is this process's number, 0 to Size()-1.
	Rank() int
	// Size is the number of ranks.
	Size() int
	// AllReduce adds each tensor up over all ranks, in place. All ranks get the same
	// result to the last bit. Tensors have no gaps, and the same dtype and strides on
	// all ranks: float32, float64, bfloat16 (added in float32, but for NCCL) or int64.
	// Tensors on a CUDA device are done when the calling thread's stream is.
	AllReduce(tensors ...torch.Tensor) error
	// Broadcast overwrites the tensors, of any dtype, by those of rank root.
	Broadcast(root int, tensors ...torch.Tensor) error
	// AllGather returns the values of all ranks, which are small, in their order.
	AllGather(value []byte) ([][]byte, error)
	// Barrier returns when all ranks have called it.
	Barrier() error
	// Duplicate makes another group of the same ranks, whose operations keep an order
	// of their own. All ranks call it, and close the result.
	Duplicate() (Group, error)
	// Close leaves the group. An operation that runs ends with an error. It does
	// nothing the second time.
	Close() error
}

// The backends.
const (
	Ring = "ring" // TCP connections; for tensors on the CPU
	MPI  = "mpi"  // under mpirun; for tensors on the CPU
	NCCL = "nccl" // for tensors on CUDA devices
)

// Options choose how a group communicates. The zero value is the default.
type Options struct {
	// Backend is one of the constants; "" chooses NCCL for a CUDA device, MPI under
	// mpirun, and otherwise the ring.
	Backend string
	// Device is where the tensors of AllReduce and Broadcast lie; with NCCL, tensors
	// on the CPU may be given as well.
	Device torch.Device
	// Timeout is how long an operation may make no progress; 0 stands for 30 minutes.
	// It includes the time that the other ranks take to come to the operation.
	Timeout time.Duration
	// JoinTimeout is how long Open waits for all ranks; 0 stands for 10 minutes.
	JoinTimeout time.Duration
}

func (o Options) withDefaults(env Env) (Options, error) {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Minute
	}
	if o.JoinTimeout == 0 {
		o.JoinTimeout = 10 * time.Minute
	}
	if o.Backend == "" {
		switch {
		case isCUDA(o.Device):
			o.Backend = NCCL
		case env.MPI:
			o.Backend = MPI
		default:
			o.Backend = Ring
		}
	}
	switch {
	case !slices.Contains([]string{Ring, MPI, NCCL}, o.Backend):
		return o, fmt.Errorf("cannot train on several ranks with backend %q: use %s, %s or %s", o.Backend, Ring, MPI, NCCL)
	case o.Backend == NCCL && !isCUDA(o.Device):
		return o, errors.New("cannot train on several ranks with backend nccl on the CPU: use ring or mpi, or a CUDA device")
	case o.Backend != NCCL && isCUDA(o.Device):
		return o, fmt.Errorf("cannot train on several ranks with backend %s on a CUDA device: use nccl", o.Backend)
	case o.Backend == MPI && !env.MPI:
		return o, errors.New("cannot train with backend mpi: this process was not started by mpirun; start it so, or use ring")
	case o.Backend == Ring && env.MPI:
		return o, errors.New("cannot train with backend ring under mpirun, which gives the ranks no MASTER_ADDR: use mpi, or start the ranks with 'torchlit launch'")
	}
	return o, nil
}

func isCUDA(d torch.Device) bool {
	kind, _ := torch.DeviceNumbers(d)
	return kind != 0
}

// Open joins the group of all ranks that env tells of, and waits for them; ctx ends
// the wait. A single process gets a group of one, whose operations do nothing.
func Open(ctx context.Context, env Env, o Options) (Group, error) {
	o, err := o.withDefaults(env)
	if err != nil {
		return nil, err
	}
	if env.Size == 1 {
		return single{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.JoinTimeout)
	defer cancel()
	control, err := openControl(ctx, env, o)
	if err != nil || o.Backend != NCCL {
		return control, err
	}
	if _, err := distributed.OpenNCCL(); err != nil {
		control.Close()
		return nil, fmt.Errorf("cannot open NCCL: %w; run 'make deps CUDA=1', or set TORCHLIT_NCCL to the path of libnccl.so.2", err)
	}
	g, err := openNCCL(control, o.Device, o.Timeout)
	if err != nil {
		control.Close()
		return nil, err
	}
	return g, nil
}

// openControl opens the group over which ranks exchange what lies on the CPU.
func openControl(ctx context.Context, env Env, o Options) (Group, error) {
	if env.MPI {
		return openMPI(o.Timeout)
	}
	r, err := openRing(ctx, env, o.Timeout)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// LostError says that a rank cannot be reached any more.
type LostError struct {
	Rank int
	Err  error // what this rank, or another one, saw of it
}

func (e *LostError) Error() string {
	return fmt.Sprintf("lost rank %d: %v; its own output, or that of its machine, tells why", e.Rank, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// single is the group of one.
type single struct{}

func (single) Rank() int                                { return 0 }
func (single) Size() int                                { return 1 }
func (single) AllReduce(...torch.Tensor) error          { return nil }
func (single) Broadcast(int, ...torch.Tensor) error     { return nil }
func (single) AllGather(value []byte) ([][]byte, error) { return [][]byte{value}, nil }
func (single) Barrier() error                           { return nil }
func (single) Duplicate() (Group, error)                { return single{}, nil }
func (single) Close() error                             { return nil }
