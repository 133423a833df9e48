package main

import (
	"fmt"
	"runtime"
	"strings"

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

// cudaVersion names the CUDA devices that libtorch can use; "none" with none.
func cudaVersion() string {
	devices, _ := cudaDevices()
	if len(devices) == 0 {
		return "none"
	}
	return strings.Join(devices, ", ")
}

// cudaDevices lists the CUDA devices that libtorch can use, or tells why there is none.
func cudaDevices() (list []string, why error) {
	for i := 0; ; i++ {
		device, err := torch.ParseDevice(fmt.Sprintf("cuda:%d", i))
		if err != nil {
			return list, err
		}
		p, err := torch.DeviceProperties(device)
		if err != nil {
			return list, err
		}
		list = append(list, fmt.Sprintf("%s (%d GiB, compute capability %s)", p.Name, p.TotalMemory>>30, p.Capability))
	}
}
