package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/vision"
)

func evalCommand() *cobra.Command {
	var model, precision, data, reportDir string
	var folders []string
	var promote promotion
	var asJSON, skipCorrupt bool
	cmd := &cobra.Command{
		Use:   "eval --data DIR",
		Short: "Measure a model on labelled images",
		Long: `Measure a model on a folder that holds one subfolder of images a class. Every
image goes the way that the server's requests go: decode, resize, batch, engine.

With --report, a page with figures, confusions, calibration and the worst mistakes
is written as DIR/index.html, beside its figures and numbers for other programs.

With --compare, both models answer the same images, and it is told whether the new one
may take the old one's place: on each --data it must not lose more than --max-loss, on
each --gain it must be better, both by the lower end of the 95 % interval of the
difference. It exits with 0 for yes, 3 for no. See docs/source/retraining.md.`,
		Example: `  torchlit eval --data data/processed/cifar10/test
  torchlit eval --data photos/ --report reports/photos
  torchlit eval --model runs/2026-11-23/21-30-00/model --data photos/ --json
  torchlit eval --model runs/fog/model --compare models/served --data old/test --gain foggy/`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if promote.older != "" {
				if reportDir != "" {
					return usageError{errors.New("--report is of one model: leave out --compare, or --report")}
				}
				promote.newer, promote.precision, promote.keep, promote.skipCorrupt = model, precision, folders, skipCorrupt
				if err := promote.check(); err != nil {
					return usageError{err}
				}
				return promote.compare(cmd, asJSON)
			}
			if len(folders) != 1 {
				return usageError{errors.New("--data is missing: name one folder with one subfolder of images a class; several, and --gain, go with --compare")}
			}
			if len(promote.gain) > 0 || cmd.Flags().Changed("max-loss") {
				return usageError{errors.New("--gain and --max-loss go with --compare")}
			}
			data = folders[0]
			if reportDir != "" { // rather now than after an hour
				if err := os.MkdirAll(reportDir, 0o755); err != nil {
					return fmt.Errorf("cannot make the report's folder: %w", err)
				}
			}
			p, err := openOne(model, precision, 0)
			if err != nil {
				return err
			}
			defer p.close(context.Background())
			answers, err := answerFolder(cmd.Context(), p, data, skipCorrupt)
			if err != nil {
				return err
			}
			for _, skipped := range answers.passed {
				fmt.Fprintf(cmd.ErrOrStderr(), "torchlit: left out %q: %v\n", skipped.File, skipped.Err)
			}
			if reportDir != "" {
				if err := writeReport(reportDir, p, data, answers); err != nil {
					return err
				}
			}
			measured := evaluate.Measure(answers.Answers)
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(measured)
			}
			if err := printReport(cmd.OutOrStdout(), measured); err != nil || reportDir == "" {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nreport: %s\n", filepath.Join(reportDir, "index.html"))
			return err
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "model folder (default: the bundled model)")
	cmd.Flags().StringVar(&precision, "precision", "fp32", precisionHelp)
	cmd.Flags().StringArrayVar(&folders, "data", nil, "folder with one subfolder of images a class; with --compare, several may be given")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: accuracy, n, per_class, ece, confusion and more")
	cmd.Flags().BoolVar(&skipCorrupt, "skip-corrupt", false, "leave out images that cannot be decoded, and name them")
	cmd.Flags().StringVar(&promote.older, "compare", "", "model folder of the old model, which --model is to take the place of")
	cmd.Flags().Float64Var(&promote.maxLoss, "max-loss", 0.01, "with --compare: share of the images by which accuracy may fall on --data")
	cmd.Flags().StringArrayVar(&promote.gain, "gain", nil, "with --compare: folder of images on which the new model has to be better; several may be given")
	cmd.Flags().StringVar(&reportDir, "report", "", "folder for a report: index.html, figures/, metrics.json, CSV files")
	return cmd
}

// answered is what a model said about a folder of images.
type answered struct {
	evaluate.Answers
	files       []string // in the order of the answers
	passed      []dataset.Skipped
	skipCorrupt bool // it was asked for
}

// answerFolder classifies every image of the folder. The answers are in the order
// of its files, whichever was ready first.
func answerFolder(ctx context.Context, p *pipeline, data string, skipCorrupt bool) (answered, error) {
	labels := p.folder.Labels()
	listing, err := dataset.List(data, labels)
	if err != nil {
		return answered{}, err
	}
	probabilities, corrupt := make([][]float32, len(listing.Files)), make([]error, len(listing.Files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, file := range listing.Files {
		group.Go(func() (err error) {
			probabilities[i], err = answerFile(ctx, p, file)
			if skipCorrupt && (errors.Is(err, vision.ErrCorrupt) || errors.Is(err, vision.ErrNotImage) || errors.Is(err, vision.ErrEmpty)) {
				corrupt[i], err = err, nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return answered{}, err
	}
	out := answered{passed: listing.Passed, skipCorrupt: skipCorrupt}
	out.Labels = labels
	for i, file := range listing.Files {
		if corrupt[i] != nil {
			out.passed = append(out.passed, dataset.Skipped{File: file, Err: corrupt[i]})
			continue
		}
		out.files = append(out.files, file)
		out.Truth = append(out.Truth, int(listing.Labels[i]))
		out.Probabilities = append(out.Probabilities, probabilities[i])
	}
	if len(out.files) == 0 {
		return answered{}, fmt.Errorf("cannot evaluate %q: none of its %d images can be decoded", data, len(listing.Files))
	}
	return out, nil
}

func answerFile(ctx context.Context, p *pipeline, file string) ([]float32, error) {
	image, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate: %w", err) // names the file
	}
	probs, err := p.probabilities(ctx, image)
	if err == nil && slices.ContainsFunc(probs, isNaN) {
		err = errors.New("the model's answer is not a number; its weights or its preprocessing are broken")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate %q: %w", file, err)
	}
	return probs, nil
}

func isNaN(p float32) bool { return p != p }

// confusionLimit is the number of classes up to which the confusion matrix fits
// a terminal.
const confusionLimit = 12

func printReport(out io.Writer, r evaluate.Report) error {
	fmt.Fprintf(out, "accuracy %.2f %% (%.1f to %.1f)  top-5 %.2f %%  log loss %.4f  calibration error %.2f %%  on %d images\n\n",
		100*r.Accuracy, 100*r.AccuracyInterval[0], 100*r.AccuracyInterval[1], 100*r.Top5Accuracy, r.LogLoss, 100*r.ECE, r.N)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "class\timages\tprecision\trecall\tF1\t")
	for _, c := range r.PerClass {
		fmt.Fprintf(w, "%s\t%d\t%.1f %%\t%.1f %%\t%.1f %%\t\n", c.Label, c.N, 100*c.Precision, 100*c.Recall, 100*c.F1)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.Labels) > confusionLimit {
		return nil
	}
	fmt.Fprint(out, "\nconfusion: a row a true class, a column a predicted one\n\n")
	fmt.Fprint(w, "\t")
	for _, label := range r.Labels {
		fmt.Fprintf(w, "%.6s\t", label)
	}
	fmt.Fprintln(w)
	for i, row := range r.Confusion {
		fmt.Fprintf(w, "%s\t", r.Labels[i])
		for _, n := range row {
			fmt.Fprintf(w, "%d\t", n)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}
