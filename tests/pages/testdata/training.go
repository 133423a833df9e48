// The surroundings of the training in docs/source/torch.md.
package main

import (
	"iter"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
)

func train(batches iter.Seq2[torch.Tensor, torch.Tensor]) {
	// here
}

func main() {}
