package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func dataFromLogCommand() *cobra.Command {
	var place logPlace
	var since, until string
	var h harvest
	cmd := &cobra.Command{
		Use:   "from-log --output DIR",
		Short: "Make a training set of the logged pictures whose true class is known",
		Long: `Make a training set of the pictures in a prediction log whose true class is known by
feedback: one subfolder a class, as 'torchlit train' reads it, and manifest.csv, which says
where each file comes from. The server keeps pictures with --monitor-pictures.

With --unlabelled, those of which the true class is not known go into DIR/pictures, and
DIR/labels.csv is to be filled in and sent to the server: 'torchlit log label' does it.

Pictures come by priority: those of which the model was least sure and those that are
least like what it was trained on, by the mean of both ranks. With --max the classes take
turns, and what one has too few of goes to the others. Of pictures that look alike the
first stays; where their true classes contradict each other, none does.`,
		Example: `  torchlit data from-log --output retrain --since 168h --max 2000
  torchlit data from-log --output to-label --unlabelled --max 200`,
		Args:    noArgs,
		PreRunE: func(cmd *cobra.Command, _ []string) error { return place.find(cmd.Flags()) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if h.by.Since, err = parseWhen(since); err == nil {
				h.by.Until, err = parseWhen(until)
			}
			if err == nil {
				err = h.check()
			}
			if err != nil {
				return usageError{err}
			}
			if err := checkFree(h.output); err != nil {
				return err
			}
			r, err := place.open(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			if err := h.run(cmd.Context(), r); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), h.summary())
			return nil
		},
	}
	f := cmd.Flags()
	place.addFlags(f)
	f.StringVarP(&h.output, "output", "o", "", "folder to make, for its owner alone")
	f.BoolVar(&h.unlabelled, "unlabelled", false, "pictures whose true class is not known, to label them")
	f.IntVar(&h.max, "max", 0, "at most so many pictures; 0: all")
	f.IntVar(&h.distance, "duplicates", 4, "bits of 64 by which perceptual hashes of duplicates differ at most; -1: keep duplicates")
	f.StringVar(&h.by.Model, "model", "", "only answers of this model")
	f.StringVar(&h.by.Version, "version", "", "only answers of this version")
	f.StringVar(&since, "since", "", "only from then on: 24h for the last 24 hours, or a time such as 2026-11-27T10:00:00Z")
	f.StringVar(&until, "until", "", "only before, written likewise")
	return cmd
}

// summary tells what was written, and what was not, and why.
func (h *harvest) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d pictures in %s", len(h.rows), h.output)
	counts := map[string]int{}
	for _, r := range h.rows {
		counts[r.class()]++
	}
	for i, class := range slices.DeleteFunc(slices.Clone(h.classes), func(c string) bool { return counts[c] == 0 }) {
		fmt.Fprintf(&b, "%s %s %d", []string{":", ","}[min(i, 1)], class, counts[class])
	}
	if h.unlabelled {
		b.WriteString(" (as answered)")
	}
	for _, left := range []struct {
		n   int
		why string
	}{
		{h.choice.Duplicates, "look like another one (--duplicates)"},
		{h.choice.Conflicts, "look alike and have different true classes"},
		{h.choice.Beyond, "are beyond --max"},
		{h.unreadable, "cannot be decoded"},
		{len(h.choice.IDs) - len(h.rows), "were deleted from the log meanwhile"},
	} {
		if left.n > 0 {
			fmt.Fprintf(&b, "\nleft out: %d that %s", left.n, left.why)
		}
	}
	return b.String()
}
