package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/torch"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of Torchlit and of what it runs on",
		Args:  noArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "torchlit %s\ncommit   %s\nlibtorch %s\nCUDA     %s\nGo       %s\n",
				version, commit, libtorchVersion(), cudaVersion(), runtime.Version())
		},
	}
}

func libtorchVersion() string {
	if err := torch.Available(); err != nil {
		return "not available; 'torchlit doctor' tells why"
	}
	return torch.Version()
}

// cudaVersion tells which CUDA the native library was built for. The CPU build
// has none.
func cudaVersion() string { return "none (CPU build)" }
