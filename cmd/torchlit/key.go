package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/server/access"
)

func keyCommand() *cobra.Command {
	var limits access.Limits
	var days int
	cmd := &cobra.Command{
		Use:   "key NAME",
		Short: "Make an API key, and its line for a key file",
		Long: `Make an API key. Standard error has the key, which nobody can make again: give it to
who will use it. Standard output has its line for the file of serve --api-key-file or
--admin-key-file, which holds a hash of it; a running server takes a changed file in within a second or two.

The name is no secret: the log names requests by it. Take the line out to end the key.`,
		Example: `  torchlit key billing --rate 50 --concurrent 8 >> keys
  torchlit serve --api-key-file keys
  curl -H "Authorization: Bearer tl_billing_…" -F image=@cat.jpg localhost:8080/v1/classify`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("name the key: one word for who will use it")}
			}
			if limits.Rate < 0 || limits.Burst < 0 || limits.Concurrent < 0 || days < 0 {
				return usageError{errors.New("limits must not be negative")}
			}
			key, line, err := access.NewKey(args[0])
			if err != nil {
				return usageError{err}
			}
			line.Limits = limits
			if days > 0 {
				line.Expires = time.Now().AddDate(0, 0, days).Truncate(time.Second)
			}
			fmt.Fprintln(cmd.ErrOrStderr(), key)
			_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	}
	cmd.Flags().Float64Var(&limits.Rate, "rate", 0, "requests a second; 0 for no limit")
	cmd.Flags().IntVar(&limits.Burst, "burst", 0, "requests at once after a rest; 0 for those of a second")
	cmd.Flags().IntVar(&limits.Concurrent, "concurrent", 0, "requests under way at once; 0 for no limit")
	cmd.Flags().IntVar(&days, "days", 0, "days until the key expires; 0 for never")
	return cmd
}
