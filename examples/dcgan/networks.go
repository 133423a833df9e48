package main

import (
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
	"github.com/torchlit/torchlit/torch/nn/initializer"
)

// ideas is the length of the random vector that the generator makes a picture of.
const ideas = 64

// noise makes n random vectors [n, ideas, 1, 1].
func noise(n int64, device torch.Device) torch.Tensor {
	return torch.RandNWith([]int64{n, ideas, 1, 1}, torch.Options{Device: device})
}

// newGenerator makes a network that maps noise [N, ideas, 1, 1] to pictures
// [N, 1, 28, 28] from -1 to 1.
func newGenerator() *nn.ChainModule {
	return initialised(nn.Chain(
		nn.ConvTranspose2d(ideas, 128, 7, 1, 0, 0, 1, false, 1, "zeros"), // [N, 128, 7, 7]
		nn.BatchNorm2d(128, 1e-5, 0.1, true, true),
		nn.ReLU(),
		nn.ConvTranspose2d(128, 64, 4, 2, 1, 0, 1, false, 1, "zeros"), // [N, 64, 14, 14]
		nn.BatchNorm2d(64, 1e-5, 0.1, true, true),
		nn.ReLU(),
		nn.ConvTranspose2d(64, 1, 4, 2, 1, 0, 1, false, 1, "zeros"), // [N, 1, 28, 28]
		nn.Tanh(),
	))
}

// newDiscriminator makes a network that maps pictures [N, 1, 28, 28] to logits
// [N, 1, 1, 1]: above 0 it takes a picture for real.
func newDiscriminator() *nn.ChainModule {
	return initialised(nn.Chain(
		nn.Conv2d(1, 32, 4, 2, 1, 1, 1, false, "zeros"), // [N, 32, 14, 14]
		nn.LeakyReLU(0.2),
		nn.Conv2d(32, 64, 4, 2, 1, 1, 1, false, "zeros"), // [N, 64, 7, 7]
		nn.BatchNorm2d(64, 1e-5, 0.1, true, true),
		nn.LeakyReLU(0.2),
		nn.Conv2d(64, 1, 7, 1, 0, 1, 1, false, "zeros"), // [N, 1, 1, 1]
	))
}

// initialised overwrites the weights as the paper has them, which trains more steadily
// than the layers' own start.
func initialised(net *nn.ChainModule) *nn.ChainModule {
	for m := range nn.Modules(net) {
		switch layer := m.(type) {
		case *nn.Conv2dModule:
			initializer.Normal(&layer.Weight, 0, 0.02)
		case *nn.ConvTranspose2dModule:
			initializer.Normal(&layer.Weight, 0, 0.02)
		case *nn.BatchNorm2dModule:
			initializer.Normal(&layer.Weight, 1, 0.02)
			initializer.Zeros(&layer.Bias)
		}
	}
	return net
}
