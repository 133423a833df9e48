// Package distributed binds what training on several ranks needs of native code: the
// gradients of a backward pass in buckets, batch normalisation by all ranks'
// statistics, NCCL, and MPI. Programs use package dist, which makes groups of ranks
// of it.
//
// Functions return errors rather than panic: whether they succeed depends on other
// machines.
package distributed

import (
	"runtime"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/internal/libtorch"
)

// Elements returns the elements themselves of a CPU tensor without gaps, in the order
// in which they lie: for channels-last tensors another than their indices'. They
// belong to the tensor, which the caller keeps alive (runtime.KeepAlive) while it uses
// them.
func Elements(t torch.Tensor) ([]byte, error) {
	p, err := torch.Borrow(t)
	if err != nil {
		return nil, err
	}
	b, err := libtorch.Elements(p)
	runtime.KeepAlive(t.T)
	return b, err
}

// values lists the tensors as the native library wants them. The caller keeps them
// alive.
func values(tensors []torch.Tensor) ([]libtorch.Value, error) {
	list := make([]libtorch.Value, len(tensors))
	for i, t := range tensors {
		p, err := torch.Borrow(t)
		if err != nil {
			return nil, err
		}
		list[i] = libtorch.TensorValue(p)
	}
	return list, nil
}
