package distributed

import (
	"runtime"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// SyncNorm is a batch normalisation by the statistics of all ranks' batches.
// torch/csrc/syncnorm.cc has its formulas.
type SyncNorm struct {
	Input                   torch.Tensor // [N, C, ...]
	Weight, Bias            torch.Tensor // [C], or the zero Tensor
	RunningMean, RunningVar torch.Tensor // [C], or the zero Tensor; moved by Momentum
	Momentum, Eps           float64
	Rank, Ranks             int
	// AllReduce adds a float32 tensor on Input's device up over all ranks, in place.
	AllReduce func(torch.Tensor) error
	// Backward does the same for the sums of the backward pass.
	Backward *Mailbox
}

// Run returns the normalised input. Its backward pass waits for all ranks, too, so
// all of them run it, and run them in the same order.
func (n *SyncNorm) Run() (torch.Tensor, error) {
	var native libtorch.SyncNorm
	native.Momentum, native.Eps = n.Momentum, n.Eps
	var err error
	if native.Input, err = torch.Borrow(n.Input); err != nil {
		return torch.Tensor{}, err
	}
	for _, o := range []struct {
		t torch.Tensor
		p *libtorch.Tensor
	}{{n.Weight, &native.Weight}, {n.Bias, &native.Bias}, {n.RunningMean, &native.RunningMean}, {n.RunningVar, &native.RunningVar}} {
		if o.t.T == nil {
			continue
		}
		if *o.p, err = torch.Borrow(o.t); err != nil {
			return torch.Tensor{}, err
		}
	}
	defer runtime.KeepAlive(n)

	r, scope, err := libtorch.SyncNormLocal(native.Input, int64(n.Rank), int64(n.Ranks))
	if err != nil {
		return torch.Tensor{}, err
	}
	table := torch.Adopt(&r, scope)
	defer table.Close()
	if err := n.AllReduce(table); err != nil {
		return torch.Tensor{}, err
	}
	if native.Table, err = torch.Borrow(table); err != nil {
		return torch.Tensor{}, err
	}
	r, scope, err = native.Apply(n.Backward.box)
	if err != nil {
		return torch.Tensor{}, err
	}
	return torch.Adopt(&r, scope), nil
}
