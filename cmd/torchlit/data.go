package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func dataCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Make data sets: of what a server has logged, or spoilt ones to test alarms with",
		Long: `Make data sets for 'torchlit train' and 'torchlit eval': of the pictures that a server
with --monitor has logged, or copies that are spoilt in a known measure, to test alarms
with. See docs/source/retraining.md. 'make data' fetches CIFAR-10.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError{fmt.Errorf("unknown command %q; see '%s --help'", args[0], cmd.CommandPath())}
		},
	}
	cmd.AddCommand(dataFromLogCommand(), dataCorruptCommand())
	return cmd
}

// checkFree reports a folder that holds something: what is there may be somebody's only copy.
func checkFree(dir string) error {
	if dir == "" {
		return usageError{errors.New("--output is missing: name a folder to make")}
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
		return nil
	case err == nil:
		err = errors.New("it holds something; name another folder")
	}
	return fmt.Errorf("cannot write to %q: %w", dir, err)
}

// writeFolder makes the folder dir, with that mode, of what fill puts into a hidden one beside it. It is there as a whole or not at
// all.
func writeFolder(dir string, mode fs.FileMode, fill func(tmp string) error) (err error) {
	if err := checkFree(dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write the folder %q: %w", dir, err)
		}
	}()
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	parent, base := filepath.Split(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, "."+base+".tmp-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // after success it is gone
	if err := errors.Join(fill(tmp), os.Chmod(tmp, mode)); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // somebody has filled it meanwhile
	}
	return os.Rename(tmp, dir)
}
