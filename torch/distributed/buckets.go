package distributed

import (
	"runtime"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Buckets gathers the gradients of parameters as the backward pass makes them, posts
// each full bucket to a mailbox, and makes the sums the gradients in the end;
// torch/csrc/buckets.cc has the details. It belongs to the goroutine that trains.
type Buckets struct{ p libtorch.Buckets }

// NewBuckets puts hooks on the parameters, which are leaves that require gradients.
// bucketOf has each parameter's bucket, of 0 to buckets-1; those of one bucket have
// the same dtype and device. Buckets are posted in the order of their numbers. scale
// multiplies each gradient before it is added up.
//
// A parameter can be in one Buckets at a time. The order and the strides of the
// parameters are the same on all ranks.
func NewBuckets(parameters []torch.Tensor, bucketOf []int64, buckets int, scale float64, m *Mailbox) (*Buckets, error) {
	list, err := values(parameters)
	if err != nil {
		return nil, err
	}
	p, err := libtorch.NewBuckets(list, bucketOf, int64(buckets), scale, m.box)
	runtime.KeepAlive(parameters)
	if err != nil {
		return nil, err
	}
	return &Buckets{p}, nil
}

// Sync tells whether backward passes from now on hand their gradients in; they do
// from the start. Without, gradients add up on this rank until a pass with.
func (b *Buckets) Sync(on bool) error { return libtorch.SyncBuckets(b.p, on) }

// Wait posts the buckets that the pass did not fill, waits for all sums, and makes
// them the gradients. A parameter that has a gradient on no rank keeps none. On an
// error the gradients are of no use; the next step begins anew either way.
//
// The gradients are views of memory that the next backward pass overwrites.
func (b *Buckets) Wait() error { return libtorch.WaitBuckets(b.p) }

// Close takes the hooks off. Gradients stay as they are.
func (b *Buckets) Close() {
	if b.p == nil {
		return
	}
	if err := libtorch.FreeBuckets(b.p); err != nil {
		panic("BUG: cannot free gradient buckets: " + err.Error())
	}
	b.p = nil
}
