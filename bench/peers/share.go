package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/torchlit/torchlit/bench"
)

// sharing measures how much of the bare engine's speed is left when photos come over HTTP and are decoded on the same processors. Engine
// and server are two processes that take turns; the engine has the setting and the size of batch that are fastest.
type sharing struct {
	*settings
	model      string
	precisions []string
	tune       time.Duration
}

func (s *sharing) register(flags *flag.FlagSet) {
	setDefault(flags, "duration", "5s")
	setDefault(flags, "warmup", "1s")
	s.precisions = []string{"auto"}
	flags.StringVar(&s.model, "model", "", "model folder (default: the bundled model)")
	flags.DurationVar(&s.tune, "tune", 700*time.Millisecond, "of a trial of a setting of the engine")
	flags.Func("precisions", "separated by commas (default auto, the server's own choice)", oneOf(&s.precisions, []string{"auto", "fp32", "bf16", "int8"}))
}

// shared are the figures.
type shared struct {
	Began   time.Time     `json:"began"`
	Command string        `json:"command"`
	Machine bench.Machine `json:"machine"`
	Model   string        `json:"model"`
	Results []*shareOf    `json:"results"`
}

// shareOf is a precision's.
type shareOf struct {
	Precision string  `json:"precision"`
	Refused   string  `json:"refused,omitempty"` // why there is no such precision; the rest is nothing then
	Setting   string  `json:"setting"`
	Batch     int     `json:"batch"`
	Goal      float64 `json:"goal"`
	Engine    spread  `json:"engine_images_per_second"`
	Server    spread  `json:"server_images_per_second"`
	Share     spread  `json:"server_over_engine"` // round by round
}

// The goals: of the bundled model, whose images are small, and of others by precision.
const bundledShare = 0.85

var shareGoals = map[string]float64{"fp32": 0.93, "bf16": 0.88, "int8": 0.78}

// shareBatches are the sizes of batch that the engine tries.
var shareBatches = []int{8, 32}

func (s *sharing) run(ctx context.Context, _ string) (any, error) {
	f := &shared{Began: time.Now().UTC(), Command: commandLine(), Machine: bench.ThisMachine(), Model: s.model}
	if s.model == "" {
		f.Model = "the bundled model"
	}
	for _, precision := range s.precisions {
		fmt.Fprintf(os.Stderr, "peers: engine and server in %s\n", precision)
		r, err := s.measure(ctx, precision)
		if err != nil {
			return nil, err
		}
		f.Results = append(f.Results, r)
	}
	if err := f.print(os.Stdout); err != nil {
		return nil, err
	}
	return f, s.publish("server", f.markdown())
}

func (s *sharing) measure(ctx context.Context, precision string) (*shareOf, error) {
	r := &shareOf{Precision: precision, Goal: shareGoals[precision]}
	if s.model == "" {
		r.Goal = bundledShare
	}
	command := []string{s.torchlit, "bench", "--engine", "--turns", "--precision", precision, "--batch", strconv.Itoa(shareBatches[len(shareBatches)-1])}
	if s.model != "" {
		command = append(command, "--model", s.model)
	}
	engine, err := openTurner(ctx, precision, command)
	if err != nil {
		return nil, err
	}
	defer engine.close()
	if r.Refused = engine.Refused; r.Refused != "" {
		return r, nil
	}
	if err := s.choose(ctx, engine, r); err != nil {
		return nil, err
	}
	with := *s.settings
	with.serveArgs = append([]string{"--precision", precision}, s.serveArgs...)
	server, err := with.startTorchlit(ctx, s.model)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	var bare, served, shares []float64
	for range s.rounds {
		rate, err := s.rate(ctx, engine, r.Setting, r.Batch, s.duration)
		if err != nil {
			return nil, err
		}
		load, err := with.closedLoop(ctx, server)
		if err != nil {
			return nil, err
		}
		bare, served, shares = append(bare, rate), append(served, load.ImagesPerSecond), append(shares, load.ImagesPerSecond/rate)
	}
	r.Engine, r.Server, r.Share = spreadOf(bare), spreadOf(served), spreadOf(shares)
	return r, nil
}

// choose finds the engine's fastest setting, of two trials each.
func (s *sharing) choose(ctx context.Context, engine *turner, r *shareOf) error {
	best := 0.0
	for range trials {
		for _, batch := range shareBatches {
			for _, how := range engine.Settings {
				rate, err := s.rate(ctx, engine, how.Name, batch, s.tune)
				if err != nil {
					return err
				}
				if rate > best {
					best, r.Setting, r.Batch = rate, how.Name, batch
				}
			}
		}
	}
	return nil
}

// rate is images/s.
func (s *sharing) rate(ctx context.Context, engine *turner, setting string, batch int, lasts time.Duration) (float64, error) {
	a, err := engine.turn(ctx, turnRequest{Setting: setting, Batch: batch, Warmup: lasts.Seconds() / 4, Seconds: lasts.Seconds()})
	if err != nil {
		return 0, err
	}
	return float64(a.Batches*batch) / a.Seconds, nil
}

func (f *shared) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "precision\tengine, images/s\tsetting\tserver, images/s\tserver over engine")
	for _, r := range f.Results {
		if r.Refused != "" {
			fmt.Fprintf(w, "%s\tmissing: %s\n", r.Precision, r.Refused)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s, batches of %d\t%s\t%s\n", r.Precision, r.Engine, r.Setting, r.Batch, r.Server, r.Share)
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range f.Results {
		if r.Refused == "" && r.Goal > 0 {
			fmt.Fprintf(out, "%s: %.3f of the engine. %s.\n", r.Precision, r.Share.Median, verdict(r.Share.Median >= r.Goal, fmt.Sprintf("At least %v", r.Goal)))
		}
	}
	return nil
}

// markdown is the part of docs/source/benchmarks.md.
func (f *shared) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", f.Model, origin(f.Began, f.Machine, f.Command))
	fmt.Fprintf(&b, "| precision | engine, images/s | server, images/s | server over engine |\n| --- | --- | --- | --- |\n")
	for _, r := range f.Results {
		if r.Refused != "" {
			fmt.Fprintf(&b, "| %s | missing: %s | | |\n", r.Precision, r.Refused)
			continue
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | **%s** |\n", r.Precision, r.Engine.Median, r.Server.Median, r.Share.rounded())
	}
	return b.String()
}
