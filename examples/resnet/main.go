// Resnet trains a residual network on an archive of pictures in labelled folders, with
// what a real training has: a learning-rate schedule, weight decay where it belongs,
// gradient clipping, optional bfloat16, and checkpoints to go on from.
//
//	go run ./examples/resnet
//	go run ./examples/resnet -data train.tar.gz -test test.tar.gz -size 224
//	go run ./examples/resnet -output DIR -resume
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/torchlit/torchlit/examples/internal/program"
	"github.com/torchlit/torchlit/torch"
)

func main() { program.Main("resnet", run) }

// settings are the command line.
type settings struct {
	data, test string // archives; no test archive, no accuracy
	output     string
	resume     bool
	device     torch.Device
	bf16       bool
	epochs     int
	batch      int
	size       int // pixels
	blocks     int
	lr         float64
	decay      float64
	clip       float64
	images     int
	seed       uint64
}

// parse reads the command line, makes the output folder and, without -data, pictures.
func parse(args []string, stdout io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("resnet", flag.ContinueOnError)
	flags.StringVar(&s.data, "data", "", "`archive` (.tar.gz) to train with; a picture's class is the folder it lies in; without it pictures are drawn")
	flags.StringVar(&s.test, "test", "", "`archive` to test with, of the same classes")
	flags.StringVar(&s.output, "output", "", "`folder` for the checkpoint; without it a temporary one")
	flags.BoolVar(&s.resume, "resume", false, "go on from the checkpoint in -output")
	flags.BoolVar(&s.bf16, "bf16", false, "compute convolutions in bfloat16")
	flags.Uint64Var(&s.seed, "seed", 1, "of all random numbers")
	deviceName := flags.String("device", "cpu", "cpu, cuda or cuda:N")
	epochs := program.Positive(flags, "epochs", 5, "`times` to go through the pictures")
	batch := program.Positive(flags, "batch", 32, "`pictures` per step")
	size := program.Positive(flags, "size", 16, "`pixels` that each side of a picture is scaled to")
	blocks := program.Positive(flags, "blocks", 2, "residual `blocks` in each of the four stages; 2 make a ResNet18")
	lr := program.Positive(flags, "lr", 0.05, "learning `rate` at its peak")
	decay := program.NotNegative(flags, "decay", 5e-4, "weight decay `factor`, of weights alone")
	clip := program.Positive(flags, "clip", 5.0, "largest `norm` of the gradients")
	images := program.Positive(flags, "images", 1200, "`number` of pictures to draw for the training; a sixth as many for the test")
	if err = program.Parse(flags, args, stdout); err != nil {
		return s, err
	}
	s.epochs, s.batch, s.size, s.blocks = *epochs, *batch, *size, *blocks
	s.lr, s.decay, s.clip, s.images = *lr, *decay, *clip, *images
	if s.batch == 1 {
		return s, errors.New("cannot train with -batch 1: batch normalisation compares the pictures of a batch, so there must be 2")
	}
	if s.resume && s.output == "" {
		return s, errors.New("cannot resume: -output must name the folder of the checkpoint")
	}
	if s.device, err = program.Device(*deviceName); err != nil {
		return s, err
	}
	if s.output, err = program.Folder(s.output); err != nil {
		return s, err
	}
	if s.data == "" {
		s.data, s.test, err = drawArchives(s.output, s.images, s.seed)
	}
	return s, err
}

func (s settings) checkpoint() string { return filepath.Join(s.output, "checkpoint.safetensors") }

func run(ctx context.Context, args []string, stdout io.Writer) error {
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	torch.ManualSeed(s.seed)
	t, err := newTrainer(s)
	if err != nil {
		return err
	}
	defer t.close()
	fmt.Fprintf(stdout, "%d pictures of %d classes in %s\n", t.pictures, len(t.vocab), s.data)
	if s.resume {
		if err := t.load(s.checkpoint()); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "going on after epoch %d\n", t.epoch)
	}
	for t.epoch < s.epochs {
		start := time.Now()
		report, err := t.oneEpoch(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: the same flags with \"-output %s -resume\" go on from the end of epoch %d", s.output, t.epoch)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "epoch %d: %s, %.1f s\n", t.epoch, report, time.Since(start).Seconds())
	}
	fmt.Fprintf(stdout, "the checkpoint is %s\n", s.checkpoint())
	return nil
}

// oneEpoch trains, writes the checkpoint, and tests.
func (t *trainer) oneEpoch(ctx context.Context) (report string, err error) {
	loss, err := t.trainEpoch(ctx)
	if err != nil {
		return "", err
	}
	t.epoch++
	if err := t.save(t.checkpoint()); err != nil {
		return "", err
	}
	report = fmt.Sprintf("loss %.4f", loss)
	if t.test == "" {
		return report, nil
	}
	accuracy, err := t.accuracy(ctx)
	return fmt.Sprintf("%s, test accuracy %.2f %%", report, 100*accuracy), err
}
