package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/evaluate"
)

func evalCommand() *cobra.Command {
	var model, data string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "eval --data DIR",
		Short: "Measure a model on labelled images",
		Long: `Measure a model on a folder that holds one subfolder of images a class. Every
image goes the way that the server's requests go: decode, resize, batch, engine.`,
		Example: `  torchlit eval --data data/processed/cifar10/test
  torchlit eval --model runs/2026-11-23/21-30-00/model --data photos/ --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if data == "" {
				return usageError{errors.New("--data is missing: name a folder with one subfolder of images a class")}
			}
			p, err := openOne(model, 0)
			if err != nil {
				return err
			}
			defer p.close(context.Background())
			report, err := evaluateFolder(cmd.Context(), p, data)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			}
			return printReport(cmd.OutOrStdout(), report)
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "model folder (default: the bundled model)")
	cmd.Flags().StringVar(&data, "data", "", "folder with one subfolder of images a class")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: accuracy, n, per_class, ece, confusion")
	return cmd
}

func evaluateFolder(ctx context.Context, p *pipeline, data string) (evaluate.Report, error) {
	labels := p.folder.Labels()
	listing, err := dataset.List(data, labels)
	if err != nil {
		return evaluate.Report{}, err
	}
	tally := evaluate.NewTally(labels)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, file := range listing.Files {
		group.Go(func() error {
			image, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			probs, err := p.probabilities(ctx, image)
			if err != nil {
				return fmt.Errorf("cannot evaluate %q: %w", file, err)
			}
			mu.Lock()
			defer mu.Unlock()
			tally.Add(int(listing.Labels[i]), probs)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return evaluate.Report{}, err
	}
	return tally.Report(), nil
}

// confusionLimit is the number of classes up to which the confusion matrix fits
// a terminal.
const confusionLimit = 12

func printReport(out io.Writer, r evaluate.Report) error {
	fmt.Fprintf(out, "accuracy %.2f %%  top-5 %.2f %%  log loss %.4f  calibration error %.2f %%  on %d images\n\n",
		100*r.Accuracy, 100*r.Top5Accuracy, r.LogLoss, 100*r.ECE, r.N)
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
