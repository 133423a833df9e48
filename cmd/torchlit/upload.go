package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/track/trackers"
)

func uploadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "upload RUN…",
		Short: "Send what the tracking servers of runs have not received",
		Long: `Send what the tracking servers of runs have not received: a server that was down,
or a run that was killed, leaves records in the run's folder. What has arrived is not
sent twice. W&B has a command of its own, wandb sync. See docs/source/tracking.md.`,
		Example: `  torchlit upload runs/2026-11-23/21-30-00
  torchlit upload runs/2026-11-23/*`,
		RunE: func(cmd *cobra.Command, runs []string) error {
			if len(runs) == 0 {
				return usageError{errors.New("name at least one run folder")}
			}
			// One server that is down does not keep the others' records.
			var errs []error
			for _, run := range runs {
				errs = append(errs, uploadRun(cmd, run))
				if cmd.Context().Err() != nil {
					break
				}
			}
			return errors.Join(errs...)
		},
	}
}

func uploadRun(cmd *cobra.Command, run string) error {
	if info, err := os.Stat(run); err != nil || !info.IsDir() {
		return fmt.Errorf("cannot upload %q: it is no folder; name a run folder", run)
	}
	sent, err := trackers.Upload(cmd.Context(), run, func(text string) {
		fmt.Fprintf(cmd.ErrOrStderr(), "torchlit: %s: %s\n", run, text)
	})
	if sent > 0 || err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", run, sentRecords(sent))
	}
	if err != nil {
		return fmt.Errorf("cannot upload %q: %w", run, err)
	}
	return nil
}

func sentRecords(n int) string {
	switch n {
	case 0:
		return "nothing was left to send"
	case 1:
		return "sent 1 record"
	}
	return fmt.Sprintf("sent %d records", n)
}
