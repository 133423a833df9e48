package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/config"
	"github.com/torchlit/torchlit/train"
)

func trainCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "train [key=value…]",
		Short: "Train a classifier and leave a model folder that can be served",
		Long: `Train a classifier on CIFAR-10 or on any folder of square images that holds
train/<class>/ and test/<class>/.

Settings come from configs/train.yaml; each can be overridden as key=value.
The run folder (runs/<date>/<time>, or output_dir) receives metrics.csv,
checkpoints/ and, at the end, model/, which 'torchlit serve --models' serves.
Ctrl-C saves a checkpoint; resume=<run folder> goes on from the newest one with
that run's settings.`,
		Example: `  torchlit train data.dir=data/processed/cifar10
  torchlit train optim.lr=0.05 trainer.max_epochs=30 seed=7
  torchlit train resume=runs/2026-11-23/21-30-00`,
		RunE: func(cmd *cobra.Command, overrides []string) error {
			cfg, err := trainConfig(file, overrides)
			if err != nil {
				return usageError{err}
			}
			p := newProgress(os.Stderr)
			defer p.close()
			result, err := train.Run(cmd.Context(), cfg, p.events())
			p.close()
			if err != nil {
				return err
			}
			if result.Stopped != "" {
				fmt.Fprintf(os.Stderr, "stopped: %s\n", result.Stopped)
			}
			if result.Model != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "validation accuracy %.2f %%, model in %s\n", 100*result.ValAccuracy, result.Model)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "settings file (default: configs/train.yaml of this installation)")
	return cmd
}

// trainConfig puts together the settings of a run: the defaults and the file, or
// the settings of the run that is resumed; the overrides; and a run folder where
// none was named.
func trainConfig(file string, overrides []string) (train.Config, error) {
	cfg := train.Default()
	resumed := resumedRun(overrides)
	switch {
	case resumed != "":
		var err error
		if cfg, err = train.ConfigOf(resumed); err != nil {
			return cfg, err
		}
		cfg.OutputDir = ""
	case file == "":
		file = installed("configs", "train.yaml")
	}
	if err := config.Load(file, overrides, &cfg); err != nil {
		return cfg, err
	}
	switch {
	case cfg.OutputDir == "" && cfg.Resume != "":
		cfg.OutputDir = cfg.Resume
	case cfg.OutputDir == "":
		now := time.Now()
		cfg.OutputDir = filepath.Join("runs", now.Format("2006-01-02"), now.Format("15-04-05"))
	}
	return cfg, cfg.Validate()
}

// resumedRun returns the run folder that an override resumes, if any.
func resumedRun(overrides []string) string {
	dir := ""
	for _, o := range overrides {
		if value, ok := strings.CutPrefix(o, "resume="); ok {
			dir = value
		}
	}
	return dir
}

// installed returns the path of a file that belongs to this installation: beside
// the folder of the binary, as make and the container images lay it out. It is
// "" when there is none.
func installed(parts ...string) string {
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	path := filepath.Join(append([]string{filepath.Dir(filepath.Dir(exe))}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
