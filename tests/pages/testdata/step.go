// The surroundings of README's step of a training.
package main

import "github.com/torchlit/torchlit/torch"

func step(net interface {
	Forward(torch.Tensor) torch.Tensor
}, opt torch.Optimizer, x, y torch.Tensor) {
	// here
}

func main() {}
