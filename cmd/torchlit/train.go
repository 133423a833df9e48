package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/config/hydra"
	"github.com/torchlit/torchlit/dist"
	"github.com/torchlit/torchlit/predict"
	"github.com/torchlit/torchlit/train"
)

func trainCommand() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train [key=value | group=option]…",
		Short: "Train a classifier and leave a model folder that can be served",
		Long: `Train a classifier on CIFAR-10 or on any folder of square images that holds
train/<class>/ and test/<class>/.

Settings come from configs/train.yaml and the files that it chooses from the groups
beside it. key=value changes one, group=option chooses another file, and
--multirun a=1,2 b=x,y runs every combination, one after the other, in
multirun/<date>/<time>/<n>. All of hydra's grammar is there: see docs/source/config.md.

The run folder (runs/<date>/<time>, or output_dir) receives .hydra/ with the settings,
metrics.csv, checkpoints/ and, at the end, model/, which 'torchlit serve --models'
serves. Ctrl-C saves a checkpoint; resume=<run folder> goes on from the newest one
with that run's settings.`,
		Example: `  torchlit train data.dir=data/processed/cifar10
  torchlit train model=resnet34 optim=adamw optim.lr=0.002 trainer.max_epochs=30
  torchlit train --multirun optim.lr=0.05,0.1 seed='range(1,4)'
  torchlit train experiment=quick --cfg job
  torchlit train resume=runs/2026-11-23/21-30-00`,
		RunE: func(cmd *cobra.Command, overrides []string) error {
			return runTrain(cmd, f, overrides)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "config", "", "settings file instead of configs/train.yaml of this installation")
	flags.StringVar(&f.name, "config-name", "", "another primary config of the search path than train")
	flags.StringVar(&f.dir, "config-dir", "", "folder with more configs and groups")
	flags.BoolVarP(&f.multirun, "multirun", "m", false, "run every combination of values such as a=1,2 b=x,y")
	flags.StringVarP(&f.show, "cfg", "c", "", "only print the composed settings: job, hydra or all")
	flags.BoolVar(&f.resolve, "resolve", false, "with --cfg: print values instead of ${references}")
	flags.StringVarP(&f.pkg, "package", "p", "", "with --cfg: only what is at this key")
	flags.StringVar(&f.info, "info", "", "only print how settings are composed: defaults or defaults-tree")
	return cmd
}

func runTrain(cmd *cobra.Command, f trainFlags, overrides []string) error {
	if f.show == "" && (f.resolve || f.pkg != "") {
		return usageError{errors.New("--resolve and --package go with --cfg")}
	}
	composer, err := newTrainComposer(f, overrides)
	if err != nil {
		return usageError{err}
	}
	if f.show != "" || f.info != "" {
		text, err := composer.show(f)
		if err != nil {
			return usageError{err}
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), text)
		return err
	}
	if f.multirun || composer.loader.Mode(composer.overrides) == hydra.Multirun {
		return runSweep(cmd, composer)
	}
	job, err := composer.job()
	if err != nil {
		return usageError{err}
	}
	return job.run(cmd.Context(), cmd.OutOrStdout())
}

// runSweep runs the jobs of a sweep one after the other.
func runSweep(cmd *cobra.Command, composer *trainComposer) error {
	sweep, jobs, err := composer.sweep()
	if err != nil {
		return usageError{err}
	}
	if err := sweep.Save(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "sweep of %d runs in %s\n", len(jobs), sweep.Dir)
	return sweep.Run(cmd.Context(), func(ctx context.Context, job *hydra.Job) error {
		fmt.Fprintf(os.Stderr, "run %d: %s\n", job.Num, strings.Join(job.Overrides, " "))
		return jobs[job].run(ctx, cmd.OutOrStdout())
	}, func(job *hydra.Job, err error) {
		fmt.Fprintf(os.Stderr, "run %d failed: %v\n", job.Num, err)
	})
}

// run trains, and tells out what came of it.
func (j *trainJob) run(ctx context.Context, out io.Writer) error {
	// One process of several keeps the record, and a trial run leaves nothing.
	if env, err := dist.FromEnvironment(); (err != nil || env.Rank == 0) && j.cfg.Trainer.FastDevRun == 0 {
		if err := j.Save(); err != nil {
			return err
		}
	}
	cfg := j.cfg
	cfg.Overrides = j.Overrides
	cfg.Augment.Resizer = predict.Resize
	p := newProgress(os.Stderr)
	defer p.close()
	result, err := train.Run(ctx, cfg, p.events())
	p.close()
	if err != nil {
		return err
	}
	if result.Stopped != "" {
		fmt.Fprintf(os.Stderr, "stopped: %s\n", result.Stopped)
	}
	if result.Model == "" {
		return nil
	}
	cfg.Model = result.Network
	if err := document(&cfg, &result); err != nil {
		return err
	}
	if result.ValAccuracy > 0 {
		fmt.Fprintf(out, "validation accuracy %.2f %%, ", 100*result.ValAccuracy)
	}
	fmt.Fprintf(out, "model in %s\n", result.Model)
	return nil
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
