package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// inFlight is how many images a command keeps between disk and model: enough to
// fill batches while others are decoded.
const inFlight = 64

// fileAnswer is the answer for one file; its JSON is what --json prints, one
// object a line.
type fileAnswer struct {
	File        string       `json:"file"`
	Predictions []prediction `json:"predictions,omitempty"`
	Error       string       `json:"error,omitempty"`
}

type prediction struct {
	Label       string  `json:"label"`
	Index       int     `json:"index"`
	Probability float32 `json:"probability"`
}

func predictCommand() *cobra.Command {
	var model, precision string
	var topK int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "predict FILE…",
		Short: "Label image files, folders of them, or standard input (-)",
		Example: `  torchlit predict cat.jpg
  torchlit predict --top-k 1 --json photos/ > labels.jsonl
  cat cat.jpg | torchlit predict -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("name at least one file or folder, or - for standard input")}
			}
			if topK < 1 {
				return usageError{fmt.Errorf("--top-k=%d: give at least 1", topK)}
			}
			files, err := imageFiles(args)
			if err != nil {
				return err
			}
			p, err := openOne(model, precision, 0)
			if err != nil {
				return err
			}
			defer p.close(context.Background())
			answers, err := label(cmd.Context(), p, files, topK, cmd.InOrStdin())
			if err != nil {
				return err
			}
			return printAnswers(cmd.OutOrStdout(), answers, asJSON)
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "model folder (default: the bundled model)")
	cmd.Flags().StringVar(&precision, "precision", "fp32", precisionHelp)
	cmd.Flags().IntVar(&topK, "top-k", 5, "labels a file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// imageFiles replaces folders by the files below them. Hidden files are passed
// over.
func imageFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		if arg == "-" {
			files = append(files, arg)
			continue
		}
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case path != arg && strings.HasPrefix(d.Name(), ".") && d.IsDir():
				return fs.SkipDir
			case !d.IsDir() && (path == arg || !strings.HasPrefix(d.Name(), ".")):
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("cannot read the images: %w", err)
		}
	}
	return files, nil
}

// label classifies the files, many at once, and returns the answers in their
// order. A file that cannot be classified has its reason as its answer.
func label(ctx context.Context, p *pipeline, files []string, topK int, stdin io.Reader) ([]fileAnswer, error) {
	answers := make([]fileAnswer, len(files))
	var group errgroup.Group
	group.SetLimit(inFlight)
	for i, file := range files {
		group.Go(func() error {
			answers[i].File = file
			data, err := readImage(file, stdin)
			if err == nil {
				var probs []float32
				if probs, err = p.probabilities(ctx, data); err == nil {
					answers[i].Predictions = mostProbable(probs, p.folder.Labels(), topK)
				}
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				answers[i].Error = err.Error()
			}
			return nil
		})
	}
	return answers, group.Wait()
}

func readImage(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}

func mostProbable(probs []float32, labels []string, k int) []prediction {
	list := make([]prediction, len(probs))
	for i, p := range probs {
		list[i] = prediction{labels[i], i, p}
	}
	slices.SortStableFunc(list, func(a, b prediction) int {
		switch {
		case a.Probability > b.Probability:
			return -1
		case a.Probability < b.Probability:
			return 1
		}
		return 0
	})
	return list[:min(k, len(list))]
}

// printAnswers returns an error, after it has printed everything, when a file
// could not be classified.
func printAnswers(out io.Writer, answers []fileAnswer, asJSON bool) error {
	failed := 0
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	encoder := json.NewEncoder(out)
	for _, a := range answers {
		if a.Error != "" {
			failed++
		}
		if asJSON {
			if err := encoder.Encode(a); err != nil {
				return err
			}
			continue
		}
		printRow(table, a)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("cannot classify %d of %d files", failed, len(answers))
	}
	return nil
}

func printRow(w io.Writer, a fileAnswer) {
	if a.Error != "" {
		fmt.Fprintf(w, "%s\t%s\n", a.File, a.Error)
		return
	}
	cells := []string{a.File}
	for _, p := range a.Predictions {
		cells = append(cells, fmt.Sprintf("%s %.1f %%", p.Label, 100*p.Probability))
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}
