package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torchlit/torchlit/bench"
)

// engines measures Torchlit's engine beside those that a user could take instead: one network, no server, no decoding.
//
// Each engine is a process of its own that computes only in its turn (turner). A turn is a second or two, and all take theirs in every
// round, so that what else happens on the machine happens to all; ratios are of turns of one round. Before that come two things:
// all must give the logits that PyTorch gives, or nothing is measured; and each tries its settings, of which the fastest counts, for
// each size of batch.
//
// Torchlit gets 8-bit pixels and normalises them, the others floats that are normalised already: that much less is their work.
type engines struct {
	*settings
	here       string // folder of peer.py
	weights    string // weights.py, which makes a network
	venvs      string
	model      string // folder; "" to make one
	batches    []int
	peers      []string
	precisions []string
	tune       time.Duration
}

func (e *engines) register(flags *flag.FlagSet) {
	setDefault(flags, "duration", "2s")
	setDefault(flags, "warmup", "300ms")
	setDefault(flags, "rounds", "5")
	e.batches, e.peers, e.precisions = []int{1, 8, 32}, slices.Clone(peers), []string{"fp32", "bf16", "int8"}
	flags.StringVar(&e.here, "engine", "bench/peers/engine", "folder of peer.py, prepare.py and requirements.txt")
	flags.StringVar(&e.weights, "weights", "bench/peers/litserve/weights.py", "the program that makes a ResNet18 with random weights")
	flags.StringVar(&e.venvs, "venvs", ".deps/venv", "folder of Python environments; one is made there if it is missing")
	flags.StringVar(&e.model, "model", "", "model folder, of a torchvision architecture in safetensors; without it one is made")
	flags.DurationVar(&e.tune, "tune", 700*time.Millisecond, "of a trial of a setting, of which there are two")
	flags.Func("batches", "sizes of batches, separated by commas (default 1,8,32)", func(s string) (err error) {
		e.batches = nil
		for field := range strings.SplitSeq(s, ",") {
			n, err := strconv.Atoi(field)
			if err != nil || n < 1 || n > preparedImages {
				return fmt.Errorf("%q is no number from 1 to %d", field, preparedImages)
			}
			e.batches = append(e.batches, n)
		}
		return nil
	})
	flags.Func("peers", "engines beside Torchlit, separated by commas (default "+strings.Join(peers, ",")+")", oneOf(&e.peers, peers))
	flags.Func("precisions", "separated by commas (default fp32,bf16,int8)", oneOf(&e.precisions, slices.Clone(e.precisions)))
}

// setDefault changes the default of a flag that other measurements share.
func setDefault(flags *flag.FlagSet, name, value string) {
	f := flags.Lookup(name)
	if err := f.Value.Set(value); err != nil {
		panic("BUG: " + err.Error())
	}
	f.DefValue = value
}

// oneOf reads a list of words, all of which are known.
func oneOf(list *[]string, known []string) func(string) error {
	return func(s string) error {
		*list = strings.Split(s, ",")
		for _, word := range *list {
			if !slices.Contains(known, word) {
				return fmt.Errorf("%q is not known: %s are", word, strings.Join(known, ", "))
			}
		}
		return nil
	}
}

// peers are peer.py's names. PyTorch's eager mode in fp32 comes first: its logits are what the others are held to.
var peers = []string{"eager", "compile", "onnxruntime", "openvino"}

// preparedImages is how many prepare.py leaves.
const preparedImages = 32

func (e *engines) run(ctx context.Context, work string) (any, error) {
	python, err := ensurePython(ctx, e.venvs, filepath.Join(e.here, "requirements.txt"))
	if err != nil {
		return nil, err
	}
	f := &engineFigures{Began: time.Now().UTC(), Machine: bench.ThisMachine(), Command: commandLine(), Model: e.model}
	prepared := filepath.Join(work, "prepared")
	if e.model == "" {
		e.model, f.Model = filepath.Join(work, "resnet18"), "ResNet18 at 224×224, 1000 classes, random weights"
		fmt.Fprintln(os.Stderr, "peers: making a ResNet18")
		if err := runTool(ctx, python, e.weights, e.images, e.model); err != nil {
			return nil, fmt.Errorf("cannot make the model: %w", err)
		}
	}
	fmt.Fprintln(os.Stderr, "peers: exporting and quantising it")
	if err := runTool(ctx, python, filepath.Join(e.here, "prepare.py"), e.model, e.images, prepared); err != nil {
		return nil, fmt.Errorf("cannot prepare the model for the others: %w", err)
	}
	c := contest{engines: e, figures: f, images: filepath.Join(prepared, "images.raw")}
	defer c.close()
	if err := c.open(ctx, python, prepared, work); err != nil {
		return nil, err
	}
	for _, of := range []func(context.Context) error{c.tuneAll, c.compareLogits, c.measure} {
		if err := of(ctx); err != nil {
			return nil, err
		}
	}
	f.sumUp(c.contenders, c.cases)
	if err := f.print(os.Stdout); err != nil {
		return nil, err
	}
	return f, e.publish("engine", f.markdown())
}

// runTool runs a Python program; its output is told if it fails.
func runTool(ctx context.Context, command ...string) error {
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// commandLine is how to run this again.
func commandLine() string {
	return "go run ./bench/peers " + strings.Join(os.Args[1:], " ")
}

// int8Model makes the model that Torchlit runs in int8. Its error is one line, fit to be shown as what is missing. The photos' labels are what
// the network itself says in fp32, which one with random weights does not keep to within the half point that export allows: what
// int8 changes is told by the logits instead.
func (e *engines) int8Model(ctx context.Context, prepared, work string) (string, error) {
	out, photos := filepath.Join(work, "int8"), filepath.Join(prepared, "calibrate")
	cmd := exec.CommandContext(ctx, e.torchlit, "export", "--model", e.model, "--int8", "--calibrate", photos, "--data", photos,
		"--max-accuracy-drop", "100", "--output", out)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		if first == "" {
			first = err.Error()
		}
		return "", errors.New(strings.TrimPrefix(first, "torchlit: "))
	}
	return out, nil
}

// open starts all contenders. What has no such precision is noted.
func (c *contest) open(ctx context.Context, python, prepared, work string) error {
	threads := runtime.GOMAXPROCS(0)
	for _, precision := range c.precisions {
		model, err := c.model, error(nil)
		if precision == "int8" {
			fmt.Fprintln(os.Stderr, "peers: exporting it as int8 for Torchlit")
			if model, err = c.int8Model(ctx, prepared, work); err != nil {
				c.lacks("Torchlit", precision, err.Error())
			}
		}
		if err == nil {
			largest := strconv.Itoa(slices.Max(c.batches))
			command := []string{c.torchlit, "bench", "--engine", "--turns", "--model", model, "--precision", precision, "--batch", largest}
			if err := c.add(ctx, precision, command); err != nil {
				return err
			}
		}
		for _, peer := range c.peers {
			if precision == "int8" && (peer == "eager" || peer == "compile") {
				continue // the engines that PyTorch recommends for int8 are the two others
			}
			command := []string{python, filepath.Join(c.here, "peer.py"), "--peer", peer, "--precision", precision, "--folder", prepared, "--threads", strconv.Itoa(threads)}
			if err := c.add(ctx, precision, command); err != nil {
				return err
			}
		}
	}
	for _, n := range c.batches {
		if n == 1 {
			c.cases = append(c.cases, sizeOf{1, true})
		}
		c.cases = append(c.cases, sizeOf{n, false})
	}
	return nil
}

func (c *contest) add(ctx context.Context, precision string, command []string) error {
	t, err := openTurner(ctx, precision, command)
	if err != nil {
		return err
	}
	if t.Refused != "" {
		t.close()
		c.lacks(t.Name, precision, t.Refused)
		return nil
	}
	c.contenders = append(c.contenders, &contender{turner: t, chosen: map[sizeOf]setting{}, turns: map[sizeOf][]turnAnswer{}})
	return nil
}

// lacks notes what is missing. Of a reason that names the folder of the model, which nobody knows, the rest is told.
func (c *contest) lacks(engine, precision, why string) {
	if _, rest, ok := strings.Cut(why, c.model+`": `); ok {
		why = rest
	}
	c.figures.Missing = append(c.figures.Missing, missing{engine, precision, why})
	fmt.Fprintf(os.Stderr, "peers: no %s in %s: %s\n", engine, precision, why)
}
