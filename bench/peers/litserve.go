package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/torchlit/torchlit/bench"
)

// comparison measures Torchlit and LitServe in turns: one server at a time, as each would have the machine.
type comparison struct {
	*settings
	here         string // folder of server.py
	venvs        string
	setup        string // one of setups
	litserveArgs string
}

func (c *comparison) register(flags *flag.FlagSet) {
	flags.StringVar(&c.here, "litserve", "bench/peers/litserve", "folder of server.py, weights.py and requirements.txt")
	flags.StringVar(&c.venvs, "venvs", ".deps/venv", "folder of Python environments; one is made there if it is missing")
	flags.StringVar(&c.setup, "setup", "plain", "how LitServe is set up: plain, parity or tuned; the README says what they are")
	flags.StringVar(&c.litserveArgs, "litserve-args", "", "more arguments of server.py, separated by spaces")
}

// setups are arguments of server.py. What its own defaults are is the last one: as well as we know how.
var setups = map[string]string{
	"plain":  "--compiler none --layout contiguous --decoder pillow --workers 1 --threads 0 --batch 32",
	"parity": "--compiler none --layout contiguous --decoder pillow --workers 2 --threads 0 --batch 8 --batch-timeout 0.01",
	"tuned":  "",
}

// turn is one server measured once.
type turn struct {
	Server string        `json:"server"`
	Round  int           `json:"round"`
	Result *bench.Result `json:"result"`
}

// compared are the figures.
type compared struct {
	Same   agreement `json:"answers"`
	Turns  []turn    `json:"turns"`
	Images spread    `json:"images_per_second_ratio"` // Torchlit's over LitServe's, round by round
	P99    spread    `json:"p99_ratio"`
}

// The goals.
const (
	imagesGoal = 1.7
	p99Goal    = 0.5
)

func (c *comparison) run(ctx context.Context, work string) (any, error) {
	setup, ok := setups[c.setup]
	if !ok {
		return nil, fmt.Errorf("cannot set LitServe up as %q: --setup is plain, parity or tuned", c.setup)
	}
	c.litserveArgs = setup + " " + c.litserveArgs // the later of two wins
	python, err := ensurePython(ctx, c.venvs, filepath.Join(c.here, "requirements.txt"))
	if err != nil {
		return nil, err
	}
	model := filepath.Join(work, "resnet18")
	fmt.Fprintln(os.Stderr, "peers: making a ResNet18 for both")
	if out, err := exec.CommandContext(ctx, python, filepath.Join(c.here, "weights.py"), c.images, model).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot make the model: %w\n%s", err, out)
	}
	servers := []struct {
		name  string
		start func() (*process, error)
	}{
		{"Torchlit", func() (*process, error) { return c.startTorchlit(ctx, model) }},
		{"LitServe", func() (*process, error) { return c.startLitServe(ctx, python, model) }},
	}
	var figures compared
	answers := make([]map[string]int, len(servers))
	for round := range c.rounds {
		for i, s := range servers {
			fmt.Fprintf(os.Stderr, "peers: round %d of %d: %s\n", round+1, c.rounds, s.name)
			result, said, err := c.turn(ctx, s.start, round == 0)
			if err != nil {
				return nil, err
			}
			figures.Turns = append(figures.Turns, turn{s.name, round + 1, result})
			if round == 0 {
				answers[i] = said
			}
		}
		if round == 0 {
			if figures.Same, err = agree(answers[0], answers[1]); err != nil {
				return nil, err
			}
		}
	}
	figures.sumUp()
	if err := figures.print(); err != nil {
		return nil, err
	}
	return figures, c.publish("litserve", figures.markdown(c.setup))
}

// turn measures one server once, and asks it about every photo if it is to be checked.
func (c *comparison) turn(ctx context.Context, start func() (*process, error), check bool) (r *bench.Result, said map[string]int, err error) {
	p, err := start()
	if err != nil {
		return nil, nil, err
	}
	defer p.stop()
	if check {
		if said, err = answersOf(ctx, p, c.images); err != nil {
			return nil, nil, err
		}
	}
	r, err = c.closedLoop(ctx, p)
	return r, said, err
}

func (c *comparison) startLitServe(ctx context.Context, python, model string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	args := []string{python, filepath.Join(c.here, "server.py"), "--model", model, "--port", strconv.Itoa(port)}
	return start(ctx, "LitServe", url, url+"/health", append(args, strings.Fields(c.litserveArgs)...))
}

// sumUp compares the servers within each round, so that what changes on the machine in the meantime changes little.
func (f *compared) sumUp() {
	var images, p99 []float64
	for i := 0; i+1 < len(f.Turns); i += 2 {
		a, b := f.Turns[i].Result, f.Turns[i+1].Result
		images = append(images, a.ImagesPerSecond/b.ImagesPerSecond)
		p99 = append(p99, a.Latency.P99/b.Latency.P99)
	}
	f.Images, f.P99 = spreadOf(images), spreadOf(p99)
}

func (f *compared) print() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "round\tserver\timages/s\tp50 ms\tp99 ms\tmax ms\tload tool's CPU\t")
	for _, t := range f.Turns {
		r := t.Result
		fmt.Fprintf(w, "%d\t%s\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f %%\t\n", t.Round, t.Server, r.ImagesPerSecond, r.Latency.P50, r.Latency.P99, r.Latency.Max, 100*r.Client.CPU)
	}
	fmt.Fprintf(w, "\n")
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("Both name the same class for %d of %d photos (%d classes).\n", f.Same.Same, f.Same.Photos, f.Same.Classes)
	fmt.Printf("Images/s: %s times LitServe's. %s.\n", f.Images, verdict(f.Images.Median >= imagesGoal, "At least 1.7 times"))
	fmt.Printf("p99: %s of LitServe's. %s.\n", f.P99, verdict(f.P99.Median <= p99Goal, "No more than half"))
	for _, t := range f.Turns {
		if t.Result.ClientLimited {
			fmt.Printf("Round %d, %s: %s.\n", t.Round, t.Server, t.Result.Why)
		}
	}
	return nil
}

// markdown is the part of docs/source/benchmarks.md.
func (f *compared) markdown(setup string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", origin(f.Turns[0].Result.Began, f.Turns[0].Result.Machine, commandLine()))
	fmt.Fprintf(&b, "| LitServe | Torchlit's images/s, times LitServe's | its p99, of LitServe's | same class |\n| --- | --- | --- | --- |\n")
	fmt.Fprintf(&b, "| %s | **%s** | %s | %d of %d |\n", setup, f.Images.rounded(), f.P99.rounded(), f.Same.Same, f.Same.Photos)
	return b.String()
}

// agreement says on how many photos two servers agree.
type agreement struct {
	Photos  int `json:"photos"`
	Same    int `json:"same_class"`
	Classes int `json:"classes"` // that were named
}

// sameLeast is the share of photos on which both must agree. Decoders and resizers differ in the last bit, and where two classes are
// nearly as likely that decides.
const sameLeast = 0.95

// agree compares the classes that two servers named for the same photos.
func agree(a, b map[string]int) (agreement, error) {
	g := agreement{Photos: len(a)}
	classes := map[int]bool{}
	for photo, class := range a {
		classes[class] = true
		if other, ok := b[photo]; ok && other == class {
			g.Same++
		}
	}
	g.Classes = len(classes)
	switch {
	case float64(g.Same) < sameLeast*float64(g.Photos) || len(b) != len(a):
		return g, fmt.Errorf("the servers do not answer alike: %d and %d photos, %d with the same class; a comparison would mean nothing", len(a), len(b), g.Same)
	case g.Classes < min(g.Photos, 4):
		return g, errors.New("the servers say the same of every photo: that they agree means nothing; take photos that differ")
	}
	return g, nil
}
