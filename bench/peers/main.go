// Peers measures Torchlit beside others, and beside itself: the same input and the same machine, in turns. It starts and ends
// what it measures.
//
//	go run ./bench/peers engine     # the engine against ONNX Runtime, OpenVINO and PyTorch
//	go run ./bench/peers litserve   # against LitServe, with one model that both load
//	go run ./bench/peers overload   # at twice the load that can be served
//	go run ./bench/peers profile    # where a request's time goes
//	go run ./bench/peers server     # against its own bare engine
//
// The load tool of servers is bin/torchlit bench, a process of its own. It shares the machine with the server, which is the same for all
// that are compared.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// settings are what the measurements need.
type settings struct {
	torchlit  string // the binary, which serves and makes the load
	images    string // folder of photos
	clients   int    // of a closed loop
	rounds    int
	duration  time.Duration // of one measurement
	warmup    time.Duration // before it
	serveArgs []string      // for torchlit serve
	output    string        // file for the figures as JSON; "" for none
	page      string        // file with a place for them; "" for none
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("name what to measure: engine, litserve, overload, profile or server")
	}
	s := &settings{}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&s.torchlit, "torchlit", "bin/torchlit", "the torchlit binary")
	flags.StringVar(&s.images, "images", "", "folder of photos; without it some are drawn")
	flags.IntVar(&s.clients, "clients", 64, "clients that wait for their answers")
	flags.IntVar(&s.rounds, "rounds", 3, "how often each is measured, in turns")
	flags.DurationVar(&s.duration, "duration", 20*time.Second, "of one measurement")
	flags.DurationVar(&s.warmup, "warmup", 5*time.Second, "before it")
	flags.StringVar(&s.output, "json", "", "file for the figures")
	flags.StringVar(&s.page, "page", "", "Markdown file with a place for the figures, such as docs/source/benchmarks.md")
	serveArgs := flags.String("serve-args", "", "more arguments of torchlit serve, separated by spaces")
	measure, err := command(args[0], s, flags)
	if err != nil {
		return err
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	s.serveArgs = strings.Fields(*serveArgs)
	if flags.NArg() > 0 || s.rounds < 1 || s.clients < 1 || s.duration <= 0 {
		return fmt.Errorf("cannot measure with %q: rounds, clients and duration must be positive, and all else is a flag", args)
	}
	work, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return fmt.Errorf("cannot make a folder to work in: %w", err)
	}
	defer os.RemoveAll(work)
	if s.images == "" {
		if s.images, err = drawPhotos(work); err != nil {
			return err
		}
	}
	figures, err := measure(ctx, work)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return err
	}
	return s.write(figures)
}

// command returns what the name stands for, and adds its flags.
func command(name string, s *settings, flags *flag.FlagSet) (func(ctx context.Context, work string) (any, error), error) {
	switch name {
	case "engine":
		e := &engines{settings: s}
		e.register(flags)
		return e.run, nil
	case "litserve":
		c := &comparison{settings: s}
		c.register(flags)
		return c.run, nil
	case "profile":
		p := &profiling{settings: s}
		p.register(flags)
		return p.run, nil
	case "server":
		b := &sharing{settings: s}
		b.register(flags)
		return b.run, nil
	case "overload":
		o := &overload{settings: s}
		o.register(flags)
		return o.run, nil
	}
	return nil, fmt.Errorf("cannot measure %q: it is engine, litserve, overload, profile or server", name)
}

func (s *settings) write(figures any) error {
	if s.output == "" {
		return nil
	}
	b, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write the figures: %w", err)
	}
	if err := os.WriteFile(s.output, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("cannot write the figures: %w", err)
	}
	return nil
}
