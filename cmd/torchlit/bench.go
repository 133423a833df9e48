package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/torchlit/torchlit/bench"
	"github.com/torchlit/torchlit/report"
	"github.com/torchlit/torchlit/vision"
)

// benchFlags are the flags of torchlit bench.
type benchFlags struct {
	// A server under load.
	target    bench.Options
	load      bench.Load
	search    bench.Search
	findMax   bool
	arrivals  string
	shape     []int
	imagesDir string

	// The bare model.
	engine            bool
	modelDir          string
	precision, device string
	threads, runners  int
	turns             bool

	asJSON bool
	report string
}

// syntheticImages is the number of images where none are given.
const syntheticImages = 16

func benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench --url URL | --engine",
		Short: "Put a running server under load, or time the bare model",
		Long: `Put a running server under load and say how it fared.

With --rate requests are sent when they are due, whether or not those before have been
answered (an open loop), and latencies count from then: what users would have waited is
what is reported, also when the server stalls. With --clients each client waits for its
answer before it sends again (a closed loop). With --find-max the highest rate is sought
that keeps a bound on the 99th percentile.

With --engine there is no server: batches of pixels go through the model alone.`,
		Example: `  torchlit bench --url http://localhost:8080 --images photos/ --rate 50
  torchlit bench --url http://localhost:8080 --images photos/ --clients 64 --duration 30s --json
  torchlit bench --url http://localhost:8080 --rate 200 --deadline 200ms
  torchlit bench --url http://localhost:8080 --find-max --p99 100ms
  torchlit bench --url http://localhost:8000 --protocol v2 --model resnet18 --input tensor --rate 100
  torchlit bench --url localhost:8001 --protocol grpc --input pixels --batch 8 --clients 16
  torchlit bench --url http://localhost:8000 --protocol litserve --litserve-field image_bytes --clients 64
  torchlit bench --engine --model models/cifar10-resnet18 --batch 32`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd.Flags()); err != nil {
				return usageError{err}
			}
			if f.turns {
				return f.benchTurns(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
			}
			if f.engine {
				return f.benchEngine(cmd.Context(), cmd.OutOrStdout())
			}
			return f.benchServer(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd.Flags())
	return cmd
}

// The flags that belong to one of the two.
var (
	serverFlags = []string{"images", "rate", "clients", "find-max", "p99", "arrivals", "deadline", "protocol", "input", "shape", "v2-json",
		"litserve-field", "litserve-template", "header", "insecure", "ca", "timeout", "connections", "seed", "report"}
	engineFlags = []string{"precision", "device", "threads", "runners", "turns"}
)

func (f *benchFlags) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringVar(&f.target.URL, "url", "", "address of the server: http://HOST:PORT; for grpc HOST:PORT")
	flags.StringVar(&f.imagesDir, "images", "", "folder of JPEG, PNG and WebP files to send (default: synthetic photos)")
	flags.Float64Var(&f.load.Rate, "rate", 0, "open loop: requests a second")
	flags.IntVar(&f.load.Clients, "clients", 0, "closed loop: clients that wait for their answers (default: 16 where there is no rate)")
	flags.BoolVar(&f.findMax, "find-max", false, "seek the highest rate that keeps --p99, beginning at --rate")
	flags.DurationVar(&f.search.P99, "p99", 100*time.Millisecond, "with --find-max: what 99 of 100 answers may take at most")
	flags.DurationVar(&f.load.Duration, "duration", 10*time.Second, "how long to measure; with --find-max each step, with --engine 3s")
	flags.DurationVar(&f.load.Warmup, "warmup", 2*time.Second, "how long to send before anything counts; with --engine 1s")
	flags.StringVar(&f.arrivals, "arrivals", string(bench.Poisson), "of an open loop: poisson or uniform")
	flags.DurationVar(&f.load.Deadline, "deadline", 0, "by which an answer is of use; the server is told, and goodput counts what met it")
	flags.StringVar(&f.target.Protocol, "protocol", bench.V1, "v1 (Torchlit), v2 (Open Inference Protocol), grpc (the same) or litserve (JSON with base64)")
	flags.StringVar(&f.target.Model, "model", "", "the model's name (default: the server's); with --engine its folder (default: the bundled model)")
	flags.StringVar(&f.target.Input, "input", bench.Image, "image (the file as it is) or, by v2 and grpc, pixels (UINT8) or tensor (FP32)")
	flags.IntSliceVar(&f.shape, "shape", nil, "of an image as pixels or tensor, such as 3,224,224, where the server does not say it")
	flags.BoolVar(&f.target.JSON, "v2-json", false, "send V2 tensors as JSON, images in base64, to servers without binary tensors")
	flags.IntVar(&f.target.Batch, "batch", 1, "images a request; with --engine images a batch")
	flags.StringVar(&f.target.Field, "litserve-field", "image", "the JSON field that holds the image")
	flags.StringVar(&f.target.Template, "litserve-template", "", `the whole JSON, with {{image}} where the base64 string goes`)
	flags.StringArrayVar(&f.target.Header, "header", nil, `"Name: value" for every request, such as "X-Api-Key: KEY"; may be given more than once`)
	flags.BoolVar(&f.target.Insecure, "insecure", false, "do not check the server's certificate")
	flags.StringVar(&f.target.CA, "ca", "", "file of the authority, in PEM, that the server's certificate is from (default: the system's)")
	flags.DurationVar(&f.target.Timeout, "timeout", 30*time.Second, "when to give a request up")
	flags.IntVar(&f.load.Connections, "connections", 4096, "open loop: requests under way at most")
	flags.Uint64Var(&f.load.Seed, "seed", 1, "of the arrivals and of what is drawn at random")
	flags.BoolVar(&f.engine, "engine", false, "time the bare model instead of a server")
	flags.StringVar(&f.precision, "precision", "auto", "with --engine: as torchlit serve has it")
	flags.StringVar(&f.device, "device", "auto", "with --engine: as torchlit serve has it")
	flags.IntVar(&f.threads, "threads", 0, "with --engine: threads of each runner; 0 to share the CPUs out")
	flags.IntVar(&f.runners, "runners", 0, "with --engine: batches that run at once; 0 for as many as torchlit serve would have")
	flags.BoolVar(&f.turns, "turns", false, "with --engine: run a batch only when a line of JSON on standard input asks for it; --batch is the largest")
	flags.StringVar(&f.report, "report", "", "file (.html) or folder for a report with plots")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON: requests_per_second, images_per_second, latency_ms, errors and more")
}

// check says which flags do not go together, and fills in what follows from others.
func (f *benchFlags) check(flags *pflag.FlagSet) error {
	if err := f.checkTogether(flags); err != nil {
		return err
	}
	if f.load.Duration <= 0 || f.load.Warmup < 0 {
		return fmt.Errorf("--duration=%s --warmup=%s: the first must be above 0, the other not below", f.load.Duration, f.load.Warmup)
	}
	if f.target.Batch < 1 {
		return fmt.Errorf("--batch=%d: give at least 1", f.target.Batch)
	}
	if f.engine {
		f.modelDir = f.target.Model
		f.defaults(flags, 3*time.Second, time.Second)
		return nil
	}
	return f.checkServer(flags)
}

func (f *benchFlags) checkTogether(flags *pflag.FlagSet) error {
	given := func(names []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !flags.Changed(n) }), ", --")
	}
	switch {
	case f.engine && f.target.URL != "":
		return errors.New("--engine times the bare model and --url a server; give one of them")
	case !f.engine && f.target.URL == "":
		return errors.New("--url is missing: name the server, such as http://localhost:8080; or time the bare model with --engine")
	case f.engine && given(serverFlags) != "":
		return fmt.Errorf("--engine has no server, and no use for --%s", given(serverFlags))
	case !f.engine && given(engineFlags) != "":
		return fmt.Errorf("--%s: only with --engine; a running server has its own", given(engineFlags))
	case flags.Changed("rate") && flags.Changed("clients"):
		return errors.New("--rate asks for an open loop and --clients for a closed one; give one of them")
	case f.findMax && flags.Changed("clients"):
		return errors.New("--find-max seeks a rate, and --clients asks for a closed loop; give one of them")
	case !f.findMax && flags.Changed("p99"):
		return errors.New("--p99 is the bound of --find-max; give that too")
	}
	return nil
}

// defaults puts in what is not the same for both.
func (f *benchFlags) defaults(flags *pflag.FlagSet, duration, warmup time.Duration) {
	if !flags.Changed("duration") {
		f.load.Duration = duration
	}
	if !flags.Changed("warmup") {
		f.load.Warmup = warmup
	}
}

func (f *benchFlags) checkServer(flags *pflag.FlagSet) (err error) {
	switch {
	case flags.Changed("rate") && !(f.load.Rate > 0):
		return fmt.Errorf("--rate=%v: give more than 0 requests a second", f.load.Rate)
	case flags.Changed("clients") && f.load.Clients < 1:
		return fmt.Errorf("--clients=%d: give at least 1", f.load.Clients)
	case f.findMax && f.search.P99 <= 0:
		return fmt.Errorf("--p99=%s: give more than 0", f.search.P99)
	case f.load.Connections < 1:
		return fmt.Errorf("--connections=%d: give at least 1", f.load.Connections)
	case f.target.Timeout <= 0:
		return fmt.Errorf("--timeout=%s: give more than 0", f.target.Timeout)
	}
	if f.load.Arrivals, err = bench.ParseArrivals(f.arrivals); err != nil {
		return fmt.Errorf("--arrivals: %w", err)
	}
	if f.load.Rate == 0 && f.load.Clients == 0 && !f.findMax {
		f.load.Clients = 16
	}
	for _, n := range f.shape {
		f.target.Shape = append(f.target.Shape, int64(n))
	}
	f.target.Deadline, f.target.Seed = f.load.Deadline, f.load.Seed
	f.target.Connections = max(f.load.Connections, f.load.Clients)
	f.load.Timeout = f.target.Timeout
	return f.target.Check()
}

func (f *benchFlags) benchServer(ctx context.Context, out, notes io.Writer) error {
	if err := f.readImages(); err != nil {
		return err
	}
	if f.report != "" { // rather now than after the test
		var err error
		if f.report, err = reportFile(f.report); err != nil {
			return err
		}
	}
	target, err := bench.Open(ctx, f.target)
	if err != nil {
		return err
	}
	defer target.Close()
	result, err := f.run(ctx, target, notes)
	if err != nil {
		return err
	}
	if err := f.tell(out, notes, result); err != nil {
		return err
	}
	switch {
	case result.RequestsPerSecond > 0 || result.Latency != nil || result.Interrupted:
		return nil
	case result.Requests == 0:
		return fmt.Errorf("cannot measure: no request began within %s; measure for longer, with --duration", f.load.Duration)
	default:
		return fmt.Errorf("cannot measure: the server answered none of %d requests, %d were refused, %d expired, %d failed: %s", result.Requests,
			result.Refused.Count, result.Expired.Count, result.Errors, kindsInWords(result.ErrorsByKind))
	}
}

// tell writes the result.
func (f *benchFlags) tell(out, notes io.Writer, r *bench.Result) error {
	sent := f.target.Images.About
	if f.report != "" {
		if err := report.WriteLoadTest(f.report, loadTest(r, sent, append([]string{"torchlit"}, os.Args[1:]...))); err != nil {
			return err
		}
	}
	if f.asJSON {
		if r.ClientLimited { // the table says it, too
			fmt.Fprintf(notes, "torchlit: the client was the limit: %s\n", r.Why)
		}
		return json.NewEncoder(out).Encode(r)
	}
	if err := printBench(out, r, sent); err != nil || f.report == "" {
		return err
	}
	_, err := fmt.Fprintf(out, "\nreport: %s\n", f.report)
	return err
}

// readImages reads what is to be sent. Tensors are noise, unless images are given.
func (f *benchFlags) readImages() (err error) {
	if f.imagesDir == "" {
		f.target.Images = bench.Images{About: "noise"}
		if f.target.Input == bench.Image {
			f.target.Images = bench.Synthetic(syntheticImages, f.load.Seed)
		}
		return nil
	}
	f.target.Images, err = bench.ReadImages(f.imagesDir, f.load.Seed)
	f.target.Decode = pixelsOf
	return err
}

// pixelsOf makes an input of an image that goes to a server as pixels or tensor.
func pixelsOf(data []byte, height, width int) ([]byte, error) {
	img, err := vision.Decode(data, vision.Limits{})
	if err != nil {
		return nil, err
	}
	defer img.Release()
	p := vision.Preprocess{Width: width, Height: height}
	out := make([]byte, p.Size())
	return out, p.Apply(img, vision.NfntResizer, out)
}

// run puts the load on the target, and shows on a terminal how it goes.
func (f *benchFlags) run(ctx context.Context, target bench.Target, notes io.Writer) (*bench.Result, error) {
	file, _ := notes.(*os.File)
	line := newBenchLine(file)
	defer line.clear()
	f.load.Progress = line.show
	if !f.findMax {
		return bench.Run(ctx, target, f.load)
	}
	f.search.Trying, f.search.Tried = line.trying, line.tried
	return bench.FindMax(ctx, target, f.load, f.search)
}
