// Package program holds what the main functions of the examples have in common: the
// way from a command line to settings that make sense, and from an error to an exit.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strconv"

	"github.com/torchlit/torchlit/torch"
)

// Main runs a program with the arguments of the command line and ends the process when
// it fails. Ctrl-C cancels the context; a second one kills the process as usual.
func Main(name string, run func(ctx context.Context, args []string, stdout io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Parse sets the flags from args. -help prints them to stdout and is the error
// flag.ErrHelp; everything else that is wrong is an error of one line.
func Parse(flags *flag.FlagSet, args []string, stdout io.Writer) error {
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stdout)
		flags.Usage()
		return err
	case err != nil:
		return fmt.Errorf("%w; -help lists the flags", err)
	case flags.NArg() > 0:
		return fmt.Errorf("cannot use argument %q: all settings are flags; -help lists them", flags.Arg(0))
	}
	return nil
}

// Positive defines a flag whose value must be above 0.
func Positive[T int | float64](flags *flag.FlagSet, name string, value T, usage string) *T {
	flags.Var(&number[T]{&value, func(v T) bool { return v > 0 }, "it must be above 0"}, name, usage)
	return &value
}

// NotNegative defines a flag whose value must be 0 or more.
func NotNegative[T int | float64](flags *flag.FlagSet, name string, value T, usage string) *T {
	flags.Var(&number[T]{&value, func(v T) bool { return v >= 0 }, "it must not be negative"}, name, usage)
	return &value
}

// number is a flag.Value that refuses what does not make sense. NaN passes no check.
type number[T int | float64] struct {
	value *T
	check func(T) bool
	rule  string
}

// String is also called on the zero number, by the package flag.
func (n *number[T]) String() string {
	if n.value == nil {
		return "0"
	}
	return fmt.Sprint(*n.value)
}

func (n *number[T]) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) || float64(T(v)) != v {
		return errors.New("it is not a number of that kind")
	}
	if !n.check(T(v)) {
		return errors.New(n.rule)
	}
	*n.value = T(v)
	return nil
}

// Device finds the device of that name, and makes sure that libtorch can use it.
func Device(name string) (torch.Device, error) {
	device, err := torch.ParseDevice(name)
	if err != nil {
		return torch.Device{}, err
	}
	if err := torch.Available(); err != nil {
		return torch.Device{}, err
	}
	probe, err := torch.TryEmptyWith([]int64{1}, torch.Options{Device: device})
	if err != nil {
		return torch.Device{}, fmt.Errorf("cannot use device %q: this machine or this build of libtorch has none; use cpu", name)
	}
	probe.Close()
	return device, nil
}

// Folder makes the folder for what a program writes. Without a name it is a temporary
// one.
func Folder(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "torch-example-")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cannot write to folder %q: %w", dir, err)
	}
	return dir, nil
}
