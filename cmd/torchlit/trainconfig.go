package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/torchlit/torchlit/config"
	"github.com/torchlit/torchlit/config/hydra"
	"github.com/torchlit/torchlit/train"
)

// trainFlags are the flags of train that say how its settings are composed.
type trainFlags struct {
	file, name, dir string
	multirun        bool
	show, info, pkg string
	resolve         bool
}

// trainJob is one run, ready to begin.
type trainJob struct {
	*hydra.Job
	cfg train.Config
}

// trainComposer composes the settings of runs.
type trainComposer struct {
	loader    *hydra.Loader
	overrides []string
	resumed   string       // the run folder that is gone on with; "" for none
	base      train.Config // what files and overrides are put on top of
}

// newTrainComposer opens the configuration: configs/ of this installation, with
// --config FILE instead of its train.yaml, or the settings of the run that is
// resumed; overrides come on top of either.
func newTrainComposer(f trainFlags, overrides []string) (*trainComposer, error) {
	c := &trainComposer{base: train.Default(), overrides: overrides, loader: &hydra.Loader{
		Job:      "train",
		RunDir:   "runs/${now:%Y-%m-%d}/${now:%H-%M-%S}",
		SweepDir: "multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}",
	}}
	l := c.loader
	if dir := installed("configs"); dir != "" {
		l.Sources = append(l.Sources, hydra.Dir("main", dir))
	}
	if f.dir != "" {
		if info, err := os.Stat(f.dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("cannot use --config-dir %q: it is no folder", f.dir)
		}
		l.Sources = append(l.Sources, hydra.Dir("command-line", f.dir))
	}
	if err := c.resume(f.multirun); err != nil {
		return nil, err
	}
	switch {
	case f.file != "" && f.name != "":
		return nil, errors.New("give either --config or --config-name")
	case f.file != "":
		if err := config.FromFile(l, f.file); err != nil {
			return nil, err
		}
	case f.name != "":
		l.Name = f.name
	case c.resumed == "" && len(l.Sources) > 0:
		l.Name = "train"
		c.base.Data.Dir = "" // the group data says where they are
	}
	l.Base = config.Base(c.base)
	return c, nil
}

// resume makes the settings of the run that an override resumes the base.
func (c *trainComposer) resume(multirun bool) error {
	parsed, err := hydra.ParseOverrides(c.overrides)
	if err != nil {
		return err
	}
	for _, o := range parsed {
		if o.Key != "resume" || o.Op == hydra.Delete {
			continue
		}
		if o.IsSweep() || multirun {
			return errors.New("resume goes on with one run: leave out --multirun, and quote a folder's name that holds a comma")
		}
		c.resumed = o.Text()
	}
	if c.resumed == "" {
		return nil
	}
	if c.base, err = train.ConfigOf(c.resumed); err != nil {
		return err
	}
	c.base.OutputDir = ""
	// The run's settings have no defaults list whose options could change.
	c.overrides = c.loader.AddGroups(c.overrides)
	return nil
}

// job composes one run.
func (c *trainComposer) job() (*trainJob, error) {
	job, err := c.loader.NewJob(c.overrides)
	if err != nil {
		return nil, err
	}
	return c.decode(job)
}

// sweep composes the runs of a sweep. No two of them may share a run folder.
func (c *trainComposer) sweep() (*hydra.Sweep, map[*hydra.Job]*trainJob, error) {
	s, err := c.loader.NewSweep(c.overrides)
	if err != nil {
		return nil, nil, err
	}
	jobs, dirs := map[*hydra.Job]*trainJob{}, map[string]int{}
	for _, batch := range s.Batches {
		for _, job := range batch {
			decoded, err := c.decode(job)
			if err != nil {
				return nil, nil, fmt.Errorf("cannot use job %d: %w", job.Num, err)
			}
			dir := filepath.Clean(job.Dir)
			if other, taken := dirs[dir]; taken {
				return nil, nil, fmt.Errorf("jobs %d and %d have the same run folder %q: leave out output_dir, or make it differ as in output_dir='runs/${seed}'", other, job.Num, dir)
			}
			dirs[dir], jobs[job] = job.Num, decoded
		}
	}
	return s, jobs, nil
}

// decode makes a run of a composed job. The run folder is output_dir if that is set,
// else that of the run that is resumed, else hydra's.
func (c *trainComposer) decode(job *hydra.Job) (*trainJob, error) {
	j := &trainJob{Job: job, cfg: c.base}
	if err := config.Decode(job.Config, &j.cfg); err != nil {
		return nil, err
	}
	if j.cfg.OutputDir == "" {
		j.cfg.OutputDir = j.cfg.Resume
	}
	if j.cfg.OutputDir == "" {
		j.cfg.OutputDir = job.Dir
	} else if err := job.SetDir(j.cfg.OutputDir); err != nil {
		return nil, err
	}
	return j, j.cfg.Validate()
}

// show writes the composed settings, or how they were composed.
func (c *trainComposer) show(f trainFlags) (string, error) {
	cfg, err := c.loader.Compose(c.overrides, hydra.Run)
	switch {
	case err != nil:
		return "", err
	case f.show != "":
		return cfg.Show(hydra.Part(f.show), f.pkg, f.resolve)
	case f.info == "defaults":
		return cfg.DefaultsTable(), nil
	case f.info == "defaults-tree":
		return cfg.DefaultsTree(), nil
	}
	return "", fmt.Errorf("cannot show --info %q: give defaults or defaults-tree", f.info)
}
