// Package models holds gotorch's networks under its names: a perceptron for MNIST, and
// the ResNets for ImageNet.
//
// The tensors of [ResnetModule] have torchvision's names for [nn.TorchStateDict] and
// [nn.SetTorchStateDict], so weights go from there to here and back. Package resnet, next
// to this one, describes the same family for training and serving.
package models

import (
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
)

// MLPModule is a perceptron of three layers: see MLP.
type MLPModule struct {
	nn.Module
	FC1, FC2, FC3 *nn.LinearModule
}

// MLP makes a perceptron for the ten classes of MNIST's images.
func MLP() *MLPModule {
	m := &MLPModule{
		FC1: nn.Linear(28*28, 512, true),
		FC2: nn.Linear(512, 512, true),
		FC3: nn.Linear(512, 10, true),
	}
	m.Init(m)
	return m
}

// Forward maps images of 28×28 pixels, in any shape, to the log-probabilities [N, 10].
func (m *MLPModule) Forward(x torch.Tensor) (logs torch.Tensor) {
	torch.Scope(func(keep func(torch.Tensor) torch.Tensor) {
		x := torch.View(x, -1, 28*28)
		x = torch.Tanh(m.FC1.Forward(x))
		x = torch.Tanh(m.FC2.Forward(x))
		logs = keep(torch.LogSoftmax(m.FC3.Forward(x), 1))
	})
	return logs
}
