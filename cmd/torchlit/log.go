package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/monitor/predlog"
)

func logCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Look into the prediction log of 'serve --monitor', export it, or delete from it",
		Long: `Look into the prediction log of 'torchlit serve --monitor', export it, or delete from it.
All of it works while a server writes to the log. See docs/monitoring.md.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError{fmt.Errorf("unknown command %q; see '%s --help'", args[0], cmd.CommandPath())}
		},
	}
	cmd.PersistentFlags().StringVar(&dir, "dir", defaultMonitorDir, "folder of the log: --monitor-dir of the server")
	cmd.AddCommand(logStatsCommand(&dir), logExportCommand(&dir), logDeleteCommand(&dir), logVacuumCommand(&dir))
	return cmd
}

func logStatsCommand(dir *string) *cobra.Command {
	var asJSON, check bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Count what the log holds",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := predlog.OpenReader(*dir)
			if err != nil {
				return err
			}
			defer r.Close()
			if check {
				if err := r.Check(cmd.Context()); err != nil {
					return fmt.Errorf("the prediction log in %q is damaged: %w; move its files away, and sqlite3's .recover may read them", *dir, err)
				}
			}
			models, bytes, err := r.Summary(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeIndented(cmd.OutOrStdout(), struct {
					File   string                 `json:"file"`
					Bytes  int64                  `json:"bytes"`
					Models []predlog.ModelSummary `json:"models"`
				}{predlog.File(*dir), bytes, append([]predlog.ModelSummary{}, models...)})
			}
			return printLogStats(cmd.OutOrStdout(), predlog.File(*dir), bytes, models)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().BoolVar(&check, "check", false, "look for damage first, which reads all of it")
	return cmd
}

func writeIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printLogStats(w io.Writer, file string, bytes int64, models []predlog.ModelSummary) error {
	fmt.Fprintf(w, "%s: %.1f MB\n", file, float64(bytes)/1e6)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "model\tversion\tanswers\tlabelled\taccuracy\tconfidence\tpictures\tfirst\tlast")
	for _, m := range models {
		accuracy := "-"
		if m.Labelled > 0 {
			accuracy = fmt.Sprintf("%.4f", float64(m.Correct)/float64(m.Labelled))
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%.4f\t%d\t%s\t%s\n", m.Model, m.Version, m.Answers, m.Labelled, accuracy, m.Confidence, m.Pictures,
			m.First.Format(time.DateTime), m.Last.Format(time.DateTime))
	}
	return t.Flush()
}

func logDeleteCommand(dir *string) *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:   "delete REQUEST_ID…",
		Short: "Delete all that is known of requests",
		Long: `Delete the answers of requests from the log, with their labels, vectors and pictures, and
overwrite them on the disk. It exits with 1 when the log knows nothing of one of them.`,
		Example: "  torchlit log delete 7d0c6b1e",
		RunE: func(cmd *cobra.Command, ids []string) error {
			if len(ids) == 0 {
				return usageError{errors.New("name at least one request id")}
			}
			return deleteFromLog(cmd, *dir, model, ids)
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "only answers of this model")
	return cmd
}

func deleteFromLog(cmd *cobra.Command, dir, model string, ids []string) error {
	if _, err := os.Stat(predlog.File(dir)); err != nil { // Open would make one
		return fmt.Errorf("cannot delete from the prediction log in %q: %w; name the folder of --monitor-dir with --dir", dir, err)
	}
	l, err := predlog.Open(predlog.Config{Dir: dir, Report: func(what string, err error) { cmd.PrintErrln(what+":", err) }})
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		n, err := l.Forget(cmd.Context(), model, id)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("cannot delete request %q: %w", id, err))
		case n == 0:
			errs = append(errs, fmt.Errorf("cannot delete request %q: the log knows nothing of it", id))
		default:
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d deleted\n", id, n)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushPredictions)
	defer cancel()
	return errors.Join(append(errs, l.Close(ctx))...)
}

func logVacuumCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "vacuum",
		Short: "Write the log anew, without the room that deleted answers left",
		Long: `Write the log anew, without the room that deleted answers left. That takes as much room
again for a while, and a server that writes to the log waits for it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			before, err := os.Stat(predlog.File(*dir))
			if err != nil {
				return fmt.Errorf("cannot vacuum the prediction log in %q: %w; name the folder of --monitor-dir with --dir", *dir, err)
			}
			if err := predlog.Vacuum(cmd.Context(), *dir); err != nil {
				return err
			}
			after, err := os.Stat(predlog.File(*dir))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %.1f MB, before %.1f MB\n", predlog.File(*dir), float64(after.Size())/1e6, float64(before.Size())/1e6)
			return nil
		},
	}
}
