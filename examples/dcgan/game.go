package main

import (
	"context"

	"github.com/torchlit/torchlit/examples/internal/digits"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
)

// game is the two networks, each with an optimizer that moves its own weights only.
type game struct {
	generator, discriminator       *nn.ChainModule
	generatorOpt, discriminatorOpt torch.Optimizer
	criterion                      *nn.BCEWithLogitsLossModule
	device                         torch.Device
}

func newGame(lr float64, device torch.Device) *game {
	g := &game{
		generator:        newGenerator(),
		discriminator:    newDiscriminator(),
		generatorOpt:     torch.Adam(lr, 0.5, 0.999, 0),
		discriminatorOpt: torch.Adam(lr, 0.5, 0.999, 0),
		criterion:        nn.BCEWithLogitsLoss(nn.BinaryLossOptions{}),
		device:           device,
	}
	g.generator.To(device)
	g.discriminator.To(device)
	g.generatorOpt.AddParameters(g.generator.Parameters())
	g.discriminatorOpt.AddParameters(g.discriminator.Parameters())
	return g
}

func (g *game) close() {
	g.generatorOpt.Close()
	g.discriminatorOpt.Close()
	nn.Close(g.generator)
	nn.Close(g.discriminator)
}

// epoch plays one round per batch and returns the mean losses. Near 1.39, twice ln 2, the
// discriminator only guesses; near 0 the generator has lost.
func (g *game) epoch(ctx context.Context, set *digits.Set, batches [][]int) (discriminator, generator float64, err error) {
	for _, batch := range batches {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			x, _ := set.Batch(batch, g.device)
			d, g := g.round(torch.SubScalar(torch.MulScalar(x, 2), 1))
			discriminator += d.Float64() / float64(len(batches))
			generator += g.Float64() / float64(len(batches))
		})
	}
	return discriminator, generator, nil
}

// round lets each network take a step. real [N, 1, 28, 28] is from -1 to 1.
func (g *game) round(real torch.Tensor) (discriminatorLoss, generatorLoss torch.Tensor) {
	fake := g.generator.Forward(noise(real.Shape()[0], g.device))

	// The discriminator is to call real pictures real and the generator's fake. Detach
	// keeps the gradients from flowing on into the generator.
	g.discriminatorOpt.ZeroGrad()
	discriminatorLoss = torch.Add(g.loss(real, 1), g.loss(fake.Detach(), 0), 1)
	discriminatorLoss.Backward()
	g.discriminatorOpt.Step()

	// The generator is to have its pictures called real. The gradients flow through the
	// discriminator, whose own are dropped at the next round.
	g.generatorOpt.ZeroGrad()
	generatorLoss = g.loss(fake, 1)
	generatorLoss.Backward()
	g.generatorOpt.Step()
	return discriminatorLoss, generatorLoss
}

// loss tells how far the discriminator's verdict on pictures is from the one wanted, 1
// for real and 0 for fake.
func (g *game) loss(pictures torch.Tensor, verdict float64) torch.Tensor {
	logits := g.discriminator.Forward(pictures)
	return g.criterion.Forward(logits, torch.FullLike(logits, verdict))
}
