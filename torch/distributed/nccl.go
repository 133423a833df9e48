package distributed

import (
	"os"
	"runtime"
	"sync"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// NCCLID is what the ranks of a communicator have in common; one of them makes it and
// tells the others.
type NCCLID = libtorch.NCCLID

// NCCL is a communicator of NVIDIA's library: one GPU of each rank.
//
// Operations are put on the calling thread's current stream of the device and return
// before they are done. One of them runs at a time; Poll and Abort may be called
// meanwhile from another goroutine.
type NCCL struct {
	mu sync.RWMutex // held to read while p is in use
	p  libtorch.NCCL
}

// OpenNCCL opens NCCL and tells its version, such as 22809 for 2.28.9. It lies beside
// libtorch_cuda, which uses it, too; TORCHLIT_NCCL names another file.
func OpenNCCL() (version int64, err error) {
	path := os.Getenv("TORCHLIT_NCCL")
	if path == "" {
		path = "libnccl.so.2"
	}
	return libtorch.OpenNCCL(path)
}

// NewNCCLID makes an id. REQUIRES: OpenNCCL succeeded.
func NewNCCLID() (NCCLID, error) { return libtorch.NewNCCLID() }

// NewNCCL joins a communicator of size ranks with this rank's device, and waits until
// all ranks have. REQUIRES: OpenNCCL succeeded.
func NewNCCL(id NCCLID, rank, size int, device torch.Device) (*NCCL, error) {
	kind, index := torch.DeviceNumbers(device)
	p, err := libtorch.NewNCCL(id, int64(rank), int64(size), kind, index)
	if err != nil {
		return nil, err
	}
	return &NCCL{p: p}, nil
}

// AllReduce adds each of the tensors up over all ranks, in place. Its dtypes are
// float32, float64, float16, bfloat16 and int64.
func (c *NCCL) AllReduce(tensors []torch.Tensor) error {
	return c.use(tensors, func(list []libtorch.Value) error { return libtorch.NCCLAllReduce(c.p, list) })
}

// Broadcast overwrites the tensors by root's. The dtypes are those of AllReduce.
func (c *NCCL) Broadcast(tensors []torch.Tensor, root int) error {
	return c.use(tensors, func(list []libtorch.Value) error { return libtorch.NCCLBroadcast(c.p, list, int64(root)) })
}

func (c *NCCL) use(tensors []torch.Tensor, operation func([]libtorch.Value) error) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.p == nil {
		return errNCCLClosed
	}
	list, err := values(tensors)
	if err != nil {
		return err
	}
	err = operation(list)
	runtime.KeepAlive(tensors)
	return err
}

var errNCCLClosed = &torch.Error{Op: "nccl", Text: "the communicator is closed"}

// Poll tells whether the last operation is under way still, or what NCCL found to have
// gone wrong since.
func (c *NCCL) Poll() (busy bool, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.p == nil {
		return false, errNCCLClosed
	}
	return libtorch.PollNCCL(c.p)
}

// Abort ends the operations under way, and makes those to come fail.
func (c *NCCL) Abort() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.p == nil {
		return nil
	}
	return libtorch.AbortNCCL(c.p)
}

// Close leaves the communicator, after the operations under way. It does nothing the
// second time.
func (c *NCCL) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.p == nil {
		return nil
	}
	p := c.p
	c.p = nil
	return libtorch.FreeNCCL(p)
}
