package dist

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
)

// ncclGroup is the group of one GPU a rank. Beside NCCL's communicator it has a group
// on the CPU, the control group: over it the ranks agree on the communicator, exchange
// values, and add up what lies on the CPU.
//
// What NCCL puts on the GPU cannot fail by itself: when a peer is gone, the kernel waits
// for ever, and with it all that is queued behind. So a watchdog looks after the last
// operation. When that is under way for longer than the timeout, or when NCCL or the
// control group has noticed that a rank is gone, it aborts the communicator, which ends
// the kernel; operations from then on return the reason.
type ncclGroup struct {
	control Group
	device  torch.Device
	timeout time.Duration
	comm    *distributed.NCCL
	owner   bool // closes the control group

	stop    chan struct{}
	stopped sync.WaitGroup
	closing sync.Once

	mu     sync.Mutex
	since  time.Time // when the watchdog first saw the operation under way
	failed error     // sticky
}

// watchEvery is how often the watchdog looks.
const watchEvery = 200 * time.Millisecond

// openNCCL makes a communicator with an id that rank 0 chooses. It takes the control
// group over when it succeeds.
func openNCCL(control Group, device torch.Device, timeout time.Duration) (*ncclGroup, error) {
	var mine []byte
	var err error
	if control.Rank() == 0 {
		var id distributed.NCCLID
		if id, err = distributed.NewNCCLID(); err == nil {
			mine = id[:]
		}
	}
	// The others hear of an error, too, and do not wait for rank 0.
	ids, gatherErr := control.AllGather(mine)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot make a communicator of NCCL: %w", err)
	case gatherErr != nil:
		return nil, gatherErr
	case len(ids[0]) != len(distributed.NCCLID{}):
		return nil, errors.New("cannot make a communicator of NCCL: rank 0 could not; see its output")
	}
	comm, err := distributed.NewNCCL(distributed.NCCLID(ids[0]), control.Rank(), control.Size(), device)
	if err != nil {
		return nil, fmt.Errorf("cannot join NCCL's communicator with %v: %w; each rank of a machine needs a GPU of its own", device, err)
	}
	g := &ncclGroup{control: control, device: device, timeout: timeout, comm: comm, owner: true, stop: make(chan struct{})}
	g.stopped.Go(g.watch)
	return g, nil
}

// Rank implements Group.
func (g *ncclGroup) Rank() int { return g.control.Rank() }

// Size implements Group.
func (g *ncclGroup) Size() int { return g.control.Size() }

// onCPU tells whether the tensors are the control group's affair.
func (g *ncclGroup) onCPU(tensors []torch.Tensor) bool {
	return isCUDA(g.device) && len(tensors) > 0 && !isCUDA(tensors[0].Device())
}

// AllReduce implements Group.
func (g *ncclGroup) AllReduce(tensors ...torch.Tensor) error {
	if g.onCPU(tensors) {
		return g.control.AllReduce(tensors...)
	}
	return g.operate(func() error { return g.comm.AllReduce(tensors) })
}

// Broadcast implements Group.
func (g *ncclGroup) Broadcast(root int, tensors ...torch.Tensor) error {
	if g.onCPU(tensors) {
		return g.control.Broadcast(root, tensors...)
	}
	return g.operate(func() error { return g.comm.Broadcast(tensors, root) })
}

func (g *ncclGroup) operate(body func() error) error {
	if err := g.broken(); err != nil {
		return err
	}
	if err := body(); err != nil {
		return g.fail(err)
	}
	return nil
}

// AllGather implements Group.
func (g *ncclGroup) AllGather(value []byte) ([][]byte, error) { return g.control.AllGather(value) }

// Barrier implements Group. It does not wait for the GPUs.
func (g *ncclGroup) Barrier() error { return g.control.Barrier() }

// Duplicate implements Group.
func (g *ncclGroup) Duplicate() (Group, error) {
	d, err := openNCCL(g.control, g.device, g.timeout)
	if err != nil {
		return nil, err
	}
	d.owner = false
	return d, nil
}

// Close implements Group.
func (g *ncclGroup) Close() (err error) {
	g.closing.Do(func() {
		close(g.stop)
		g.stopped.Wait()
		if g.broken() != nil {
			err = g.comm.Abort()
		}
		g.fail(errClosed)
		err = errors.Join(err, g.comm.Close())
		if g.owner {
			err = errors.Join(err, g.control.Close())
		}
	})
	return err
}

func (g *ncclGroup) broken() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

// fail keeps the first error, and returns it.
func (g *ncclGroup) fail(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		g.failed = err
	}
	return g.failed
}

// watch is the watchdog.
func (g *ncclGroup) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-g.stop:
			return
		case now := <-tick.C:
			if err := g.look(now); err != nil {
				g.fail(err)
				g.comm.Abort()
				return
			}
		}
	}
}

// peerWatcher is a control group that notices a lost rank while it does nothing.
type peerWatcher interface{ PeerLost() error }

func (g *ncclGroup) look(now time.Time) error {
	busy, err := g.comm.Poll()
	if err != nil {
		return err
	}
	if w, ok := g.control.(peerWatcher); ok && busy {
		if err := w.PeerLost(); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !busy:
		g.since = time.Time{}
	case g.since.IsZero():
		g.since = now
	case now.Sub(g.since) > g.timeout:
		return fmt.Errorf("NCCL made no progress for %v: a rank hangs, or runs another program", g.timeout)
	}
	return nil
}
