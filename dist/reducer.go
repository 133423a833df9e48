package dist

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
)

// ReducerOptions are sizes in bytes. The zero value is PyTorch's.
type ReducerOptions struct {
	Bucket int64 // 0 stands for 25 MiB
	First  int64 // of the first bucket; 0 stands for 1 MiB, but no more than Bucket
}

// Reducer averages the gradients of parameters over all ranks, bucket by bucket, while
// the backward pass that makes them goes on. It belongs to the goroutine that trains.
type Reducer struct {
	group   Group
	buckets *distributed.Buckets // nil when there is but one rank
	mailbox *distributed.Mailbox
	lane    Group // the buckets' own order of operations
}

// NewReducer watches the parameters: leaves that require gradients, on the device where
// they stay, and laid out as they stay. All ranks call it with the same ones; where they
// differ in number, shape, layout or dtype, it is an error.
//
// The gradients lie in memory of the Reducer's, as large as all parameters together.
func NewReducer(group Group, parameters []torch.Tensor, o ReducerOptions) (*Reducer, error) {
	r := &Reducer{group: group}
	if group.Size() == 1 {
		return r, nil
	}
	if len(parameters) == 0 {
		return nil, errors.New("cannot average gradients of no parameters")
	}
	if o.Bucket == 0 {
		o.Bucket = 25 << 20
	}
	if o.First == 0 {
		o.First = min(1<<20, o.Bucket)
	}
	list := make([]placed, len(parameters))
	layout := sha256.New()
	for i, p := range parameters {
		list[i] = placed{p.Numel() * elementSize(p), p.Dtype(), p.Device()}
		fmt.Fprintln(layout, p.Shape(), p.Strides(), p.Dtype())
	}
	fmt.Fprintln(layout, o)
	if err := agree(group, layout.Sum(nil)); err != nil {
		return nil, err
	}
	bucketOf, n := assignBuckets(list, o.First, o.Bucket)
	if err := r.open(parameters, bucketOf, n); err != nil {
		r.Close()
		return nil, fmt.Errorf("cannot average gradients over the ranks: %w", err)
	}
	return r, nil
}

func (r *Reducer) open(parameters []torch.Tensor, bucketOf []int64, n int) error {
	var err error
	if r.lane, err = r.group.Duplicate(); err != nil {
		return err
	}
	r.mailbox, err = distributed.NewMailbox(parameters[0].Device(), func(t torch.Tensor) error { return r.lane.AllReduce(t) })
	if err != nil {
		return err
	}
	r.buckets, err = distributed.NewBuckets(parameters, bucketOf, n, 1/float64(r.group.Size()), r.mailbox)
	return err
}

// agree compares a digest over the ranks.
func agree(group Group, digest []byte) error {
	all, err := group.AllGather(digest)
	if err != nil {
		return err
	}
	for rank, other := range all {
		if string(other) != string(all[0]) {
			return fmt.Errorf("cannot train together: rank %d has other parameters than rank 0; give all ranks the same model and settings", rank)
		}
	}
	return nil
}

func elementSize(t torch.Tensor) int64 {
	switch t.Dtype() {
	case torch.Double, torch.Long:
		return 8
	case torch.Half, torch.BFloat16:
		return 2
	}
	return 4
}

// NoSync runs body, the backward passes of all but the last part of an accumulated
// batch, without averaging: gradients add up on each rank. The last part's pass, outside
// of NoSync, averages the sums.
func (r *Reducer) NoSync(body func()) error {
	if r.buckets == nil {
		body()
		return nil
	}
	if err := r.buckets.Sync(false); err != nil {
		return err
	}
	defer r.buckets.Sync(true)
	body()
	return nil
}

// Wait returns when the gradients of the last backward pass are averages over all ranks.
// Call it before anything reads them: clipping, unscaling, the optimizer. A parameter
// that took part on no rank has no gradient; one that took part on some has the average
// with zeros for the others.
//
// The gradients are good until the next backward pass. After an error of another rank,
// such as a [LostError], the group is of no use any more. After a backward pass that
// panicked, Wait is called, too, as all ranks wait for each other's buckets.
func (r *Reducer) Wait() error {
	if r.buckets == nil {
		return nil
	}
	err := r.buckets.Wait()
	if err == nil {
		return nil
	}
	// The error went through C as a text; the group may have it whole.
	var text *torch.Error
	if b, ok := r.lane.(interface{ broken() error }); ok && b.broken() != nil {
		err = b.broken()
	} else if errors.As(err, &text) {
		err = errors.New(text.Text)
	}
	return fmt.Errorf("cannot average gradients over the ranks: %w", err)
}

// Close stops watching the parameters. Their gradients stay. It does nothing the second
// time.
func (r *Reducer) Close() {
	if r.buckets != nil {
		r.buckets.Close()
	}
	if r.lane != nil {
		r.lane.Close() // ends a sum under way, which the mailbox would wait for
	}
	if r.mailbox != nil {
		r.mailbox.Close()
	}
	r.buckets, r.lane, r.mailbox = nil, nil, nil
}
