package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/report"
	"github.com/torchlit/torchlit/train"
)

func tuneCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tune",
		Short: "Find a learning rate or a batch size to train with",
		Long: `Find a learning rate or a batch size to train with, before a run. Settings are those
of 'torchlit train', and so are their overrides. Nothing is left behind but the plot
that --plot names.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError{fmt.Errorf("cannot tune %q: give lr or batch-size", args[0])}
		},
	}
	cmd.AddCommand(tuneLRCommand(), tuneBatchSizeCommand())
	return cmd
}

// tuneFlags are the flags of both searches.
type tuneFlags struct {
	config trainFlags
	plot   string
	asJSON bool
}

func (f *tuneFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.config.file, "config", "", "settings file instead of configs/train.yaml of this installation")
	flags.StringVar(&f.config.name, "config-name", "", "another primary config of the search path than train")
	flags.StringVar(&f.config.dir, "config-dir", "", "folder with more configs and groups")
	flags.StringVar(&f.plot, "plot", "", "file for a plot (.png or .svg; without an ending: both)")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
}

// settings composes those that the search is for.
func (f *tuneFlags) settings(overrides []string) (train.Config, error) {
	composer, err := newTrainComposer(f.config, overrides)
	if err != nil {
		return train.Config{}, usageError{err}
	}
	job, err := composer.job()
	if err != nil {
		return train.Config{}, usageError{err}
	}
	return job.cfg, nil
}

// show prints what was found and draws it.
func (f *tuneFlags) show(out io.Writer, found any, table func(io.Writer), draw func(path string) error) error {
	if f.asJSON {
		if err := json.NewEncoder(out).Encode(found); err != nil {
			return err
		}
	} else {
		table(out)
	}
	if f.plot == "" {
		return nil
	}
	return draw(f.plot)
}

func tuneLRCommand() *cobra.Command {
	var f tuneFlags
	var s train.LRSearch
	cmd := &cobra.Command{
		Use:   "lr [key=value | group=option]…",
		Short: "Find a learning rate",
		Long: `Train a few steps with a learning rate that grows from --min to --max, and suggest the
one at which the loss falls most steeply (Smith, https://arxiv.org/abs/1506.01186).
It is a place to begin: with a warm-up, a few times as much often does well.`,
		Example: `  torchlit tune lr data.dir=data/processed/cifar10
  torchlit tune lr optim=adamw --max 0.1 --plot lr.png`,
		RunE: func(cmd *cobra.Command, overrides []string) error {
			cfg, err := f.settings(overrides)
			if err != nil {
				return err
			}
			curve, err := train.FindLR(cmd.Context(), cfg, s)
			if err != nil {
				return err
			}
			found := lrFound{curve.LRs, curve.Losses, curve.Suggestion}
			return f.show(cmd.OutOrStdout(), found, found.table, func(path string) error {
				return report.LRFinder(curve.LRs, curve.Losses, curve.Suggestion, path)
			})
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.Float64Var(&s.MinLR, "min", 1e-8, "rate to begin with")
	flags.Float64Var(&s.MaxLR, "max", 1, "rate to end with")
	flags.IntVar(&s.Steps, "steps", 100, "steps between them")
	flags.Float64Var(&s.StopFactor, "stop-factor", 4, "end when the loss is so many times the lowest; below 0 never")
	return cmd
}

// lrFound is what --json prints.
type lrFound struct {
	LRs        []float64 `json:"lrs"`
	Losses     []float64 `json:"losses"` // smoothed
	Suggestion float64   `json:"suggestion"`
}

// tableRows is about how many points of a curve are printed.
const tableRows = 20

func (l lrFound) table(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "learning rate\tloss\t")
	every := max(1, len(l.LRs)/tableRows)
	for i, lr := range l.LRs {
		mark := ""
		if lr == l.Suggestion {
			mark = " <"
		}
		if i%every == 0 || mark != "" || i == len(l.LRs)-1 {
			fmt.Fprintf(w, "%.3g\t%.4f\t%s\n", lr, l.Losses[i], mark)
		}
	}
	w.Flush()
	if l.Suggestion == 0 {
		fmt.Fprintln(out, "\nno suggestion: the loss never falls; give a wider range with --min and --max, or more --steps")
		return
	}
	fmt.Fprintf(out, "\nthe loss falls most steeply at optim.lr=%.3g\n", l.Suggestion)
}

func tuneBatchSizeCommand() *cobra.Command {
	var f tuneFlags
	var s train.BatchSearch
	var memory int
	cmd := &cobra.Command{
		Use:   "batch-size [key=value | group=option]…",
		Short: "Find the largest batch that fits, and how fast each size trains",
		Long: `Double the batch until it no longer fits into the device's memory (on a CPU: until a
tenth of the machine's is left), and tell how fast each size trains. The largest is
seldom the best: take the smallest that is about as fast as any.`,
		Example: `  torchlit tune batch-size trainer.device=cuda
  torchlit tune batch-size model=resnet50_imagenet --refine --plot batch.svg`,
		RunE: func(cmd *cobra.Command, overrides []string) error {
			cfg, err := f.settings(overrides)
			if err != nil {
				return err
			}
			s.Memory = int64(memory) << 20
			return f.findBatchSize(cmd.Context(), cmd.OutOrStdout(), cfg, s)
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.IntVar(&s.From, "from", 2, "size to begin with")
	flags.IntVar(&s.Max, "max", 8192, "size to end with")
	flags.IntVar(&s.Steps, "steps", 3, "steps of each trial, behind one to warm up")
	flags.Float64Var(&s.Margin, "margin", 0.05, "share to leave free below the largest that fits")
	flags.BoolVar(&s.Refine, "refine", false, "search between the last power of two that fits and the next")
	flags.IntVar(&memory, "memory", 0, "MB that a trial may use; 0 for what the device has")
	return cmd
}

func (f *tuneFlags) findBatchSize(ctx context.Context, out io.Writer, cfg train.Config, s train.BatchSearch) error {
	sizes, err := train.FindBatchSize(ctx, cfg, s)
	if err != nil {
		return err
	}
	found := batchesFound{Suggestion: sizes.Suggestion}
	for _, t := range sizes.Tried {
		found.Tried = append(found.Tried, batchFound{t.Size, t.ImagesPerSecond, t.Memory, t.Refused})
	}
	return f.show(out, found, found.table, func(path string) error {
		var xs []int
		var ys []float64
		for _, t := range found.Tried {
			xs, ys = append(xs, t.BatchSize), append(ys, t.ImagesPerSecond)
		}
		return report.BatchSizes(xs, ys, found.Suggestion, path)
	})
}

// batchesFound is what --json prints.
type batchesFound struct {
	Tried      []batchFound `json:"tried"`
	Suggestion int          `json:"suggestion"`
}

type batchFound struct {
	BatchSize       int     `json:"batch_size"`
	ImagesPerSecond float64 `json:"images_per_second"`
	MemoryBytes     int64   `json:"memory_bytes"` // at the peak
	Refused         string  `json:"refused,omitempty"`
}

func (b batchesFound) table(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "batch size\timages/s\tMB\t")
	var refused []string
	for _, t := range b.Tried {
		if t.Refused != "" {
			fmt.Fprintf(w, "%d\t-\t-\t\n", t.BatchSize)
			refused = append(refused, fmt.Sprintf("%d: %s", t.BatchSize, firstLine(t.Refused)))
			continue
		}
		fmt.Fprintf(w, "%d\t%.0f\t%d\t\n", t.BatchSize, t.ImagesPerSecond, t.MemoryBytes>>20)
	}
	w.Flush()
	fmt.Fprintln(out)
	for _, line := range refused {
		fmt.Fprintln(out, line)
	}
	if b.Suggestion == 0 {
		fmt.Fprintln(out, "no suggestion: not even the smallest fits; give a smaller one with --from, or smaller images")
		return
	}
	fmt.Fprintf(out, "the largest that fits, with some memory to spare: data.batch_size=%d\n", b.Suggestion)
}

// firstLine is without libtorch's stack.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
