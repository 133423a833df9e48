package resnet_test

import (
	"fmt"
	"testing"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/vision/resnet"
)

// BenchmarkTrainStep measures a training step of ResNet18 with the CIFAR stem in
// bf16 autocast, batch 128, at the image sizes of a progressive schedule.
func BenchmarkTrainStep(b *testing.B) {
	if err := torch.Available(); err != nil {
		b.Skip(err)
	}
	spec, err := resnet.Describe("resnet18", resnet.CIFARStem, 10)
	if err != nil {
		b.Fatal(err)
	}
	const batch = 128
	for _, side := range []int64{16, 24, 32} {
		b.Run(fmt.Sprintf("side=%d", side), func(b *testing.B) {
			net := resnet.New(spec)
			defer net.Close()
			net.ToChannelsLast()
			opt := torch.SGD(0.01, 0.9, 0, 5e-4, true)
			defer opt.Close()
			opt.AddParameters(net.Parameters())
			x := torch.RandN([]int64{batch, 3, side, side}, false).Contiguous(torch.ChannelsLast)
			y := torch.FromSlice(make([]int64, batch), batch)
			for b.Loop() {
				torch.Scope(func(func(torch.Tensor) torch.Tensor) {
					var loss torch.Tensor
					torch.Autocast(torch.Device{}, torch.BFloat16, func() {
						loss = torch.CrossEntropyLoss(net.Forward(x), y, torch.Tensor{}, torch.ReduceMean, -100, 0.1)
					})
					loss.Backward()
					opt.Step()
					opt.ZeroGrad()
				})
			}
			b.ReportMetric(float64(batch)*float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
