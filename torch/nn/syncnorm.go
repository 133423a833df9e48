package nn

import (
	"errors"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/distributed"
)

// SyncGroup is the ranks that batch normalisation is synchronised over; a Group of
// package dist is one.
type SyncGroup interface {
	Rank() int
	Size() int
	// AllReduce adds each tensor up over all ranks, in place.
	AllReduce(tensors ...torch.Tensor) error
}

// batchSync is what the batch normalisations of a network share.
type batchSync struct {
	group   SyncGroup
	mailbox *distributed.Mailbox
}

// ConvertSyncBatchNorm makes every batch normalisation of the module, in training, use
// the mean and variance of all ranks' batches together, as PyTorch's SyncBatchNorm does:
// the ranks then compute what one would with the whole batch. Evaluation, names and
// weights stay as they are, so unlike in PyTorch the modules themselves do, too.
//
// All ranks run the module, forwards and backwards, in the same order. The group is used
// for nothing else meanwhile: its operations have to come in the same order on all ranks,
// and the backward pass determines it here. Forward panics with a [*torch.Error] when the
// group fails, and so does Backward.
//
// stop undoes it, after the last backward pass. The group stays the caller's.
func ConvertSyncBatchNorm(module IModule, group SyncGroup) (stop func(), err error) {
	var norms []*BatchNorm2dModule
	for m := range Modules(module) {
		if b, ok := m.(*BatchNorm2dModule); ok {
			norms = append(norms, b)
		}
	}
	if len(norms) == 0 || group.Size() == 1 {
		return func() {}, nil
	}
	device := torch.Device{}
	for _, t := range append(norms[0].Parameters(), norms[0].Buffers()...) {
		device = t.Device()
	}
	s := &batchSync{group: group}
	s.mailbox, err = distributed.NewMailbox(device, func(t torch.Tensor) error { return group.AllReduce(t) })
	if err != nil {
		return nil, err
	}
	for _, b := range norms {
		b.sync = s
	}
	return func() {
		for _, b := range norms {
			b.sync = nil
		}
		s.mailbox.Close()
	}, nil
}

func (s *batchSync) forward(b *BatchNorm2dModule, x torch.Tensor) torch.Tensor {
	n := distributed.SyncNorm{
		Input: x, Weight: b.Weight, Bias: b.Bias, RunningMean: b.RunningMean, RunningVar: b.RunningVar,
		Momentum: b.Momentum, Eps: b.Eps, Rank: s.group.Rank(), Ranks: s.group.Size(),
		AllReduce: func(t torch.Tensor) error { return s.group.AllReduce(t) }, Backward: s.mailbox,
	}
	y, err := n.Run()
	if err == nil {
		return y
	}
	var refused *torch.Error
	if !errors.As(err, &refused) {
		refused = misuse("nn.BatchNorm2d", "cannot synchronise the statistics: %v", err)
	}
	panic(refused)
}
