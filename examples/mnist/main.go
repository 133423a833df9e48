// Mnist trains a small network to read handwritten digits, saves it, loads it again, and
// shows what it makes of one picture.
//
//	go run ./examples/mnist
//	go run ./examples/mnist -data /tmp/mnist
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/torchlit/torchlit/examples/internal/digits"
	"github.com/torchlit/torchlit/examples/internal/program"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/nn"
)

func main() { program.Main("mnist", run) }

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("mnist", flag.ContinueOnError)
	source := digits.Flags(flags, 60000)
	epochs := program.Positive(flags, "epochs", 3, "`times` to go through the pictures")
	batch := program.Positive(flags, "batch", 64, "`pictures` per step")
	lr := program.Positive(flags, "lr", 1e-3, "learning `rate`")
	output := flags.String("output", "", "`folder` for the model; without it a temporary one")
	deviceName := flags.String("device", "cpu", "cpu, cuda or cuda:N")
	seed := flags.Uint64("seed", 1, "of all random numbers")
	if err := program.Parse(flags, args, stdout); err != nil {
		return err
	}
	device, err := program.Device(*deviceName)
	if err != nil {
		return err
	}
	train, test, err := source.Open(ctx, *seed, stdout)
	if err != nil {
		return err
	}
	dir, err := program.Folder(*output)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "mnist.pt")
	torch.ManualSeed(*seed)
	lots := rand.New(rand.NewPCG(*seed, 0))

	net := newClassifier()
	defer nn.Close(net)
	net.To(device)
	opt := torch.Adam(*lr, 0.9, 0.999, 0)
	defer opt.Close()
	opt.AddParameters(net.Parameters())
	for epoch := range *epochs {
		start := time.Now()
		loss, err := trainEpoch(ctx, net, opt, train, train.Shuffled(*batch, lots), device)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "epoch %d: loss %.4f, test accuracy %.2f %%, %.1f s\n",
			epoch+1, loss, 100*accuracy(net, test, device), time.Since(start).Seconds())
	}

	if err := torch.TrySaveDict(nn.TorchStateDict(net), file); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "saved to %s\n", file)
	again, err := load(file, device)
	if err != nil {
		return err
	}
	defer nn.Close(again)
	fmt.Fprintf(stdout, "loaded again: test accuracy %.2f %%\n\n", 100*accuracy(again, test, device))
	show(stdout, again, test, lots.IntN(test.Len()), device)
	return nil
}

// trainEpoch takes one step of the optimizer per batch, and returns the mean loss.
//
// All tensors of a step are made in a Scope and freed at its end: the batch, the
// activations, the gradients' graph. The parameters are older than the Scope, and the
// optimizer keeps what it needs by itself, so both stay.
func trainEpoch(ctx context.Context, net *classifier, opt torch.Optimizer, set *digits.Set,
	batches [][]int, device torch.Device) (meanLoss float64, err error) {
	criterion := nn.CrossEntropyLoss(nn.ClassLossOptions{})
	for _, batch := range batches {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			x, y := set.Batch(batch, device)
			loss := criterion.Forward(net.Forward(x), y)
			loss.Backward()
			opt.Step()
			opt.ZeroGrad()
			meanLoss += loss.Float64() / float64(len(batches))
		})
	}
	return meanLoss, nil
}

// accuracy returns the share of the pictures that the network reads right.
func accuracy(net *classifier, set *digits.Set, device torch.Device) float64 {
	net.Train(false)
	defer net.Train(true)
	correct := 0.0
	for _, batch := range set.Batches(1000) {
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			torch.NoGrad(func() {
				x, y := set.Batch(batch, device)
				correct += net.Forward(x).Argmax(1).Eq(y).Sum().Float64()
			})
		})
	}
	return correct / float64(set.Len())
}
