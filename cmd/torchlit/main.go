// Torchlit classifies images over HTTP, and trains the models that it serves.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/dist/launch"
	"github.com/torchlit/torchlit/internal/supervise"
)

// Set by make.
var (
	version = "dev"
	commit  = "unknown"
)

// The exit codes that scripts rely on.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3 // done, and the answer is no
)

func main() {
	ctx := untilSignalled(context.Background())
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "torchlit:", err)
		os.Exit(exitCode(err))
	}
}

// usageError is a mistake in how the program was called, as opposed to one that
// it met in its work.
type usageError struct{ error }

func exitCode(err error) int {
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	var no answerNo
	if errors.As(err, &no) {
		return exitRefused
	}
	if gaveUp, ok := supervise.AsGaveUp(err); ok {
		return gaveUp.Code
	}
	var rank *launch.ExitError
	if errors.As(err, &rank) {
		return rank.Code
	}
	return exitFailed
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "torchlit",
		Short:         "Classify images over HTTP, and train the models that do it",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError{fmt.Errorf("unknown command %q; see 'torchlit --help'", args[0])}
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see '%s --help'", err, cmd.CommandPath())}
	})
	root.AddCommand(serveCommand(), healthCommand(), predictCommand(), trainCommand(), launchCommand(), tuneCommand(), evalCommand(), exportCommand(), uploadCommand(), benchCommand(), keyCommand(), logCommand(), driftCommand(), dataCommand(), doctorCommand(), versionCommand(), decodeWorkerCommand())
	return root
}

// noArgs is cobra.NoArgs with the exit code of a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s takes no arguments, got %q; see '%s --help'", cmd.CommandPath(), args, cmd.CommandPath())}
}

// argsNamed wants one argument for each name.
func argsNamed(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usageError{fmt.Errorf("%s takes %s, got %q; see '%s --help'", cmd.CommandPath(), strings.Join(names, " and "), args, cmd.CommandPath())}
	}
}
