package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/torchlit/torchlit/config"
)

// groupFlags has a command with many flags list them under headings.
func groupFlags(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := fmt.Fprintf(cmd.OutOrStderr(), "Usage:\n  %s\n\nExamples:\n%s\n\n%s", cmd.UseLine(), cmd.Example, config.FlagUsages(cmd.LocalFlags(), columns()))
		return err
	})
}

// columns is the width of the terminal, or what is read with ease.
func columns() int {
	const comfortable = 120
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 {
		return min(w, comfortable)
	}
	return comfortable
}
