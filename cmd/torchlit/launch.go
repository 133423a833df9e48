package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/dist/launch"
)

func launchCommand() *cobra.Command {
	var c launch.Config
	cmd := &cobra.Command{
		Use:   "launch --nproc N -- train [key=value…]",
		Short: "Train on several GPUs, processes or machines",
		Long: `Start the command that follows -- as N processes on this machine, which train
together: each on a GPU of its own, or on a part of the CPUs. They find each other
by the environment variables of torchrun (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR,
…). Lines of their output begin with their rank. When one fails, the others are
ended, and launch exits with its exit code. Ctrl-C reaches all of them; a second one
kills them.

On several machines, run launch on each with the same --nproc, --nnodes,
--master-addr and --master-port, and its own --node-rank; the address is that of
node 0. See docs/source/distributed.md.`,
		Example: `  torchlit launch --nproc 2 -- train data.dir=data/processed/cifar10
  torchlit launch --nproc 8 --nnodes 2 --node-rank 1 --master-addr 10.0.0.5 --master-port 29500 -- train`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("nothing to launch; see '%s --help'", cmd.CommandPath())}
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("cannot find this program's file to start it again: %w", err)
			}
			c.Command = append([]string{self}, args...)
			c.Stdout, c.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			if err := c.Validate(); err != nil {
				return usageError{err}
			}
			return launch.Run(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // flags after the command's name are the command's
	f.IntVar(&c.NProc, "nproc", 1, "processes on this machine: one a GPU")
	f.IntVar(&c.Nodes, "nnodes", 1, "machines")
	f.IntVar(&c.NodeRank, "node-rank", 0, "number of this machine, from 0")
	f.StringVar(&c.Addr, "master-addr", "", "address of machine 0 (default 127.0.0.1 on a single machine)")
	f.IntVar(&c.Port, "master-port", 0, "port on machine 0 (default: any free one on a single machine)")
	f.IntVar(&c.MaxRestarts, "max-restarts", 0, "times that all are started again after one has failed")
	f.DurationVar(&c.Grace, "grace", launch.DefaultGrace, "time to end after a signal, before they are killed")
	return cmd
}
