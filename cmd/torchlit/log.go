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
	"github.com/spf13/pflag"

	"github.com/torchlit/torchlit/monitor/predlog"
)

// dsnVariable is how serve reads --monitor-dsn from its environment.
const dsnVariable = "TORCHLIT_SERVER_MONITOR_DSN"

// logPlace is where a log is.
type logPlace struct{ dir, dsn string }

func (p *logPlace) addFlags(f *pflag.FlagSet) {
	f.StringVar(&p.dir, "dir", defaultMonitorDir, "folder of the log: --monitor-dir of the server")
	f.StringVar(&p.dsn, "dsn", "", "PostgreSQL database of the log: --monitor-dsn of the server (without --dir also by "+dsnVariable+")")
}

// find settles which of the two it is.
func (p *logPlace) find(f *pflag.FlagSet) error {
	switch {
	case f.Changed("dir") && f.Changed("dsn"):
		return usageError{errors.New("a log is in a folder or in PostgreSQL; give --dir or --dsn")}
	case !f.Changed("dir") && !f.Changed("dsn"):
		p.dsn = os.Getenv(dsnVariable)
	}
	return nil
}

func (p *logPlace) open(ctx context.Context) (*predlog.Reader, error) {
	if p.dsn != "" {
		return predlog.OpenReaderDSN(ctx, p.dsn)
	}
	return predlog.OpenReader(p.dir)
}

// write opens a log that is there, to delete from it.
func (p *logPlace) write(cmd *cobra.Command) (*predlog.Log, error) {
	r, err := p.open(cmd.Context()) // Open would make one
	if err != nil {
		return nil, err
	}
	_ = r.Close()
	cfg := predlog.Config{DSN: p.dsn, Report: func(what string, err error) { cmd.PrintErrln(what+":", err) }}
	if p.dsn == "" {
		cfg.Dir = p.dir
	}
	return predlog.Open(cfg)
}

func (p *logPlace) vacuum(ctx context.Context) error {
	if p.dsn != "" {
		return predlog.VacuumDSN(ctx, p.dsn)
	}
	return predlog.Vacuum(ctx, p.dir)
}

func logCommand() *cobra.Command {
	var place logPlace
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Look into the prediction log of 'serve --monitor', export it, label it, or delete from it",
		Long: `Look into the prediction log of 'torchlit serve --monitor', export it, compare versions by it, label it,
or delete from it. All of it works while a server writes to the log. See docs/source/monitoring.md.`,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return place.find(cmd.Flags()) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError{fmt.Errorf("unknown command %q; see '%s --help'", args[0], cmd.CommandPath())}
		},
	}
	place.addFlags(cmd.PersistentFlags())
	cmd.AddCommand(logStatsCommand(&place), logExportCommand(&place), logCompareCommand(&place), logLabelCommand(),
		logDeleteCommand(&place), logVacuumCommand(&place))
	return cmd
}

func logStatsCommand(place *logPlace) *cobra.Command {
	var asJSON, check bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Count what the log holds",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := place.open(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			if check {
				if err := r.Check(cmd.Context()); err != nil {
					return fmt.Errorf("the prediction log in %q is damaged: %w; %s", r.Place(), err, place.rescue())
				}
			}
			models, bytes, err := r.Summary(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeIndented(cmd.OutOrStdout(), struct {
					File   string                 `json:"file"` // or the address of the database
					Bytes  int64                  `json:"bytes"`
					Models []predlog.ModelSummary `json:"models"`
				}{r.Place(), bytes, append([]predlog.ModelSummary{}, models...)})
			}
			return printLogStats(cmd.OutOrStdout(), r.Place(), bytes, models)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().BoolVar(&check, "check", false, "look for damage first, which reads all of it")
	return cmd
}

// rescue is what to do about damage.
func (p *logPlace) rescue() string {
	if p.dsn != "" {
		return "restore it from a backup"
	}
	return "move its files away, and sqlite3's .recover may read them"
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

func logDeleteCommand(place *logPlace) *cobra.Command {
	var model string
	cmd := &cobra.Command{
		Use:   "delete REQUEST_ID…",
		Short: "Delete all that is known of requests",
		Long: `Delete the answers of requests from the log, with their labels, vectors and pictures, and
overwrite them on the disk (in PostgreSQL: as the server does, see docs/source/monitoring.md). The
results of drift tests that they were part of stay: they hold nothing of a single request.
It exits with 1 when the log knows nothing of one of them.`,
		Example: "  torchlit log delete 7d0c6b1e",
		RunE: func(cmd *cobra.Command, ids []string) error {
			if len(ids) == 0 {
				return usageError{errors.New("name at least one request id")}
			}
			return deleteFromLog(cmd, place, model, ids)
		},
	}
	cmd.Flags().StringVar(&model, "model", "", "only answers of this model")
	return cmd
}

func deleteFromLog(cmd *cobra.Command, place *logPlace, model string, ids []string) error {
	l, err := place.write(cmd)
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

func logVacuumCommand(place *logPlace) *cobra.Command {
	return &cobra.Command{
		Use:   "vacuum",
		Short: "Write the log anew, without the room that deleted answers left",
		Long: `Write the log anew, without the room that deleted answers left. That takes as much room
again for a while, and a server that writes to the log waits for it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := place.open(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			before, err := r.Bytes(cmd.Context())
			if err != nil {
				return err
			}
			if err := place.vacuum(cmd.Context()); err != nil {
				return err
			}
			after, err := r.Bytes(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %.1f MB, before %.1f MB\n", r.Place(), float64(after)/1e6, float64(before)/1e6)
			return nil
		},
	}
}
