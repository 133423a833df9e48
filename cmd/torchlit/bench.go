package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/torchlit/torchlit/bench"
)

// benchFlags are the flags of torchlit bench.
type benchFlags struct {
	// A server under load.
	target    bench.Options
	load      bench.Load
	arrivals  string
	imagesDir string

	asJSON bool
}

// syntheticImages is the number of images where none are given.
const syntheticImages = 16

func benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench --url URL",
		Short: "Put a running server under load",
		Long: `Put a running server under load and say how it fared.

With --rate requests are sent when they are due, whether or not those before have been
answered (an open loop), and latencies count from then: what users would have waited is
what is reported, also when the server stalls. With --clients each client
waits for its answer before it sends again (a closed loop).`,
		Example: `  torchlit bench --url http://localhost:8080 --images photos/ --rate 50
  torchlit bench --url http://localhost:8080 --images photos/ --clients 64 --duration 30s --json
  torchlit bench --url http://localhost:8080 --rate 200 --deadline 200ms
  torchlit bench --url http://localhost:8000 --protocol litserve --litserve-field image_bytes --clients 64`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd.Flags()); err != nil {
				return usageError{err}
			}
			return f.benchServer(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *benchFlags) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringVar(&f.target.URL, "url", "", "address of the server: http://HOST:PORT")
	flags.StringVar(&f.imagesDir, "images", "", "folder of JPEG, PNG and WebP files to send (default: synthetic photos)")
	flags.Float64Var(&f.load.Rate, "rate", 0, "open loop: requests a second")
	flags.IntVar(&f.load.Clients, "clients", 0, "closed loop: clients that wait for their answers (default 16 where no rate is given)")
	flags.StringVar(&f.arrivals, "arrivals", string(bench.Poisson), "of an open loop: poisson or uniform")
	flags.DurationVar(&f.load.Duration, "duration", 10*time.Second, "how long to measure")
	flags.DurationVar(&f.load.Warmup, "warmup", 2*time.Second, "how long to send before anything counts")
	flags.DurationVar(&f.load.Deadline, "deadline", 0, "by which an answer is of use; it is told to the server, and goodput counts what met it")
	flags.StringVar(&f.target.Protocol, "protocol", bench.V1, "v1 (Torchlit) or litserve (JSON with base64)")
	flags.StringVar(&f.target.Model, "model", "", "the model's name (default: the server's)")
	flags.IntVar(&f.target.Batch, "batch", 1, "images a request")
	flags.StringVar(&f.target.Field, "litserve-field", "image", "the JSON field that holds the image")
	flags.StringVar(&f.target.Template, "litserve-template", "", `the whole JSON, with {{image}} where the base64 string goes`)
	flags.StringArrayVar(&f.target.Header, "header", nil, `"Name: value" for every request; may be given more than once`)
	flags.BoolVar(&f.target.Insecure, "insecure", false, "do not check the server's certificate")
	flags.DurationVar(&f.target.Timeout, "timeout", 30*time.Second, "when to give a request up")
	flags.IntVar(&f.load.Connections, "connections", 4096, "open loop: requests under way at most")
	flags.Uint64Var(&f.load.Seed, "seed", 1, "of the arrivals and of what is drawn at random")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON: requests_per_second, images_per_second, latency_ms, errors and more")
}

// check says which flags do not go together, and fills in what follows from others.
func (f *benchFlags) check(flags *pflag.FlagSet) (err error) {
	if f.target.URL == "" {
		return errors.New("--url is missing: name the server, such as http://localhost:8080")
	}
	if flags.Changed("rate") && flags.Changed("clients") {
		return errors.New("--rate asks for an open loop and --clients for a closed one; give one of them")
	}
	if flags.Changed("rate") && !(f.load.Rate > 0) {
		return fmt.Errorf("--rate=%v: give more than 0 requests a second", f.load.Rate)
	}
	if flags.Changed("clients") && f.load.Clients < 1 {
		return fmt.Errorf("--clients=%d: give at least 1", f.load.Clients)
	}
	if f.load.Rate == 0 && f.load.Clients == 0 {
		f.load.Clients = 16
	}
	if f.load.Duration <= 0 || f.load.Warmup < 0 {
		return fmt.Errorf("--duration=%s --warmup=%s: the first must be above 0, the other not below", f.load.Duration, f.load.Warmup)
	}
	if f.target.Batch < 1 {
		return fmt.Errorf("--batch=%d: give at least 1", f.target.Batch)
	}
	if f.load.Arrivals, err = bench.ParseArrivals(f.arrivals); err != nil {
		return fmt.Errorf("--arrivals: %w", err)
	}
	f.target.Deadline, f.target.Seed = f.load.Deadline, f.load.Seed
	f.target.Connections = max(f.load.Connections, f.load.Clients)
	f.load.Timeout = f.target.Timeout
	return nil
}

func (f *benchFlags) benchServer(ctx context.Context, out, notes io.Writer) (err error) {
	if f.imagesDir != "" {
		f.target.Images, err = bench.ReadImages(f.imagesDir, f.load.Seed)
	} else {
		f.target.Images = bench.Synthetic(syntheticImages, f.load.Seed)
	}
	if err != nil {
		return err
	}
	target, err := bench.Open(ctx, f.target)
	if err != nil {
		return err
	}
	defer target.Close()
	if file, ok := notes.(*os.File); ok {
		live := newBenchLine(file)
		defer live.clear()
		f.load.Progress = live.show
	}
	result, err := bench.Run(ctx, target, f.load)
	if err != nil {
		return err
	}
	if result.ClientLimited {
		fmt.Fprintf(notes, "torchlit: the client was the limit: %s\n", result.Why)
	}
	if f.asJSON {
		return json.NewEncoder(out).Encode(result)
	}
	return printBench(out, result, f.target.Images.About)
}
