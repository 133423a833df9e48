// Dcgan trains two networks against each other until one of them draws digits: a
// generator, and a discriminator that is to tell its pictures from real ones. After each
// epoch it writes a picture of 64 samples.
//
//	go run ./examples/dcgan
//	go run ./examples/dcgan -data /tmp/mnist
//
// The method is that of Goodfellow et al., https://arxiv.org/abs/1406.2661, with the
// networks and settings of Radford et al., https://arxiv.org/abs/1511.06434.
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
)

func main() { program.Main("dcgan", run) }

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("dcgan", flag.ContinueOnError)
	source := digits.Flags(flags, 12800)
	epochs := program.Positive(flags, "epochs", 10, "`times` to go through the pictures")
	batch := program.Positive(flags, "batch", 64, "`pictures` per step")
	lr := program.Positive(flags, "lr", 2e-4, "learning `rate` of both networks")
	output := flags.String("output", "", "`folder` for the samples; without it a temporary one")
	deviceName := flags.String("device", "cpu", "cpu, cuda or cuda:N")
	seed := flags.Uint64("seed", 1, "of all random numbers")
	if err := program.Parse(flags, args, stdout); err != nil {
		return err
	}
	device, err := program.Device(*deviceName)
	if err != nil {
		return err
	}
	set, _, err := source.Open(ctx, *seed, stdout)
	if err != nil {
		return err
	}
	dir, err := program.Folder(*output)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "samples go to %s\n", dir)
	torch.ManualSeed(*seed)
	lots := rand.New(rand.NewPCG(*seed, 0))

	g := newGame(*lr, device)
	defer g.close()
	same := noise(samples, device) // so that the epochs' samples can be compared
	defer same.Close()
	for epoch := range *epochs {
		start := time.Now()
		dLoss, gLoss, err := g.epoch(ctx, set, set.Shuffled(*batch, lots))
		if err != nil {
			return err
		}
		file := filepath.Join(dir, fmt.Sprintf("epoch-%02d.png", epoch+1))
		if err := g.save(file, same); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "epoch %d: discriminator's loss %.3f, generator's loss %.3f, %s, %.1f s\n",
			epoch+1, dLoss, gLoss, filepath.Base(file), time.Since(start).Seconds())
	}
	return nil
}
