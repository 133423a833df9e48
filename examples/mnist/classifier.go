package main

import (
	"fmt"

	"github.com/torchlit/torchlit/examples/internal/digits"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
)

// classifier is a network of three fully connected layers, 784 → 512 → 512 → 10.
//
// A network is a struct that embeds nn.Module. Its exported fields are its parts, which
// Parameters, To and the state dict find by themselves.
type classifier struct {
	nn.Module
	FC1, FC2, FC3 *nn.LinearModule
}

func newClassifier() *classifier {
	c := &classifier{
		FC1: nn.Linear(digits.Side*digits.Side, 512, true),
		FC2: nn.Linear(512, 512, true),
		FC3: nn.Linear(512, 10, true),
	}
	c.Init(c)
	return c
}

// Forward maps pictures [N, 1, 28, 28] to logits [N, 10].
func (c *classifier) Forward(x torch.Tensor) torch.Tensor {
	x = torch.Flatten(x, 1, -1)
	x = torch.Relu(c.FC1.Forward(x))
	x = torch.Relu(c.FC2.Forward(x))
	return c.FC3.Forward(x)
}

// load makes a network of a file that this program, or Python, has saved: the names in
// it are PyTorch's, "fc1.weight" and so on. The caller closes the network.
func load(file string, device torch.Device) (*classifier, error) {
	net := newClassifier()
	net.To(device)
	var err error
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		var state map[string]torch.Tensor
		if state, err = torch.TryLoadDict(file, device); err == nil {
			err = nn.SetTorchStateDict(net, state)
		}
	})
	if err != nil {
		nn.Close(net)
		return nil, fmt.Errorf("cannot load the network: %w", err)
	}
	return net, nil
}
