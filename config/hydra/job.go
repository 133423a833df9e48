package hydra

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// Job is one run of a task, composed and ready.
type Job struct {
	// Config is the task's configuration: the composed tree without hydra's own part.
	// Its interpolations are not resolved yet; ${hydra:…} can be.
	Config *omegaconf.Node
	// Hydra is hydra's own part, as a mapping "hydra".
	Hydra *omegaconf.Node
	// Dir is the run folder.
	Dir string
	// Overrides are the task's, without those of hydra's own part.
	Overrides []string
	// Num counts the jobs of a sweep from 0; -1 for a job on its own.
	Num int

	line []string        // as the sweep spells it out
	full *omegaconf.Node // both parts, which ${hydra:…} looks into
}

// NewJob composes one job.
func (l *Loader) NewJob(overrides []string) (*Job, error) {
	cfg, err := l.Compose(withMode(overrides, Run), Run)
	if err != nil {
		return nil, err
	}
	dir, err := selectText(cfg, "hydra.run.dir")
	if err != nil {
		return nil, err
	}
	return newJob(cfg, dir, -1)
}

// withMode adds the mode to the overrides, where hydra's users expect to find it.
func withMode(overrides []string, mode Mode) []string {
	line := "hydra.mode=" + string(mode)
	if slices.Contains(overrides, line) {
		return overrides
	}
	return append(overrides[:len(overrides):len(overrides)], line)
}

// Mode is what a configuration says about itself (hydra.mode); Run if it says nothing
// or cannot be composed.
func (l *Loader) Mode(overrides []string) Mode {
	cfg, err := l.Compose(overrides, Multirun)
	if err != nil {
		return Run
	}
	if mode := cfg.hydra().Get("mode"); !mode.IsNull() {
		return Mode(omegaconf.Str(mode))
	}
	return Run
}

func newJob(cfg *Config, dir string, num int) (*Job, error) {
	job := &Job{Num: num}
	for _, item := range cfg.hydra().Get("overrides").Get("task").Items() {
		job.Overrides = append(job.Overrides, omegaconf.Str(item))
	}
	job.Hydra = cfg.Tree.Copy()
	for _, key := range cfg.Tree.Keys() {
		if key != "hydra" {
			job.Hydra.Remove(key)
		}
	}
	// What ${hydra:…} refers to may itself refer to the task's settings.
	full := cfg.Tree.Copy()
	full.SetScope(&omegaconf.Scope{Now: cfg.now, Hydra: full.Get("hydra")})
	job.full = full
	job.Config = cfg.Tree.Copy()
	job.Config.Remove("hydra")
	job.Config.SetScope(&omegaconf.Scope{Now: cfg.now, Hydra: full.Get("hydra")})
	return job, job.SetDir(dir)
}

// SetDir moves the run folder elsewhere, before anything was written.
func (j *Job) SetDir(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("cannot use run folder %q: %w", dir, err)
	}
	j.Dir = dir
	const key = "hydra.runtime.output_dir"
	return errors.Join(j.Hydra.Update(key, abs, false), j.full.Update(key, abs, false))
}

func (c *Config) hydra() *omegaconf.Node { return c.Tree.Get("hydra") }

// selectText resolves a setting of hydra's that names a folder.
func selectText(cfg *Config, path string) (string, error) {
	cfg.Tree.SetScope(&omegaconf.Scope{Now: cfg.now, Hydra: cfg.hydra()})
	n, err := cfg.Tree.Select(path)
	if err != nil {
		return "", err
	}
	if n == nil || n.IsNull() || n.IsMissing() || n.Kind() != omegaconf.Scalar {
		return "", fmt.Errorf("%s is not set", path)
	}
	return omegaconf.Str(n), nil
}

// Save makes the run folder, and in it what hydra leaves there: config.yaml,
// hydra.yaml and overrides.yaml, in the folder .hydra unless hydra.output_subdir says
// otherwise (null: nowhere).
func (j *Job) Save() error {
	if err := os.MkdirAll(j.Dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the run folder: %w", err)
	}
	subdir := j.Hydra.Get("hydra").Get("output_subdir")
	if subdir.IsNull() {
		return nil
	}
	dir := filepath.Join(j.Dir, omegaconf.Str(subdir))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the run folder: %w", err)
	}
	for name, n := range map[string]*omegaconf.Node{
		"config.yaml":    j.Config,
		"hydra.yaml":     j.Hydra,
		"overrides.yaml": j.Hydra.Get("hydra").Get("overrides").Get("task"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(n.YAML()), 0o644); err != nil {
			return fmt.Errorf("cannot save the configuration: %w", err)
		}
	}
	return nil
}

// Sweep is several jobs that one command line asks for.
type Sweep struct {
	Dir    string // holds multirun.yaml, and the jobs' folders unless they say otherwise
	config *Config
	// Batches are the jobs, in the order in which they run. A job that fails ends the
	// sweep with its batch.
	Batches [][]*Job
}

// NewSweep composes the jobs of a sweep: the product of all values of all overrides.
// Each of them has to be a valid configuration before the first one runs.
func (l *Loader) NewSweep(overrides []string) (*Sweep, error) {
	pinned := *l
	pinned.Now = l.now() // all jobs have the sweep's time
	cfg, err := pinned.Compose(withMode(overrides, Multirun), Multirun)
	if err != nil {
		return nil, err
	}
	s := &Sweep{config: cfg}
	if s.Dir, err = selectText(cfg, "hydra.sweep.dir"); err != nil {
		return nil, err
	}
	lines, err := pinned.product(cfg)
	if err != nil {
		return nil, err
	}
	size := len(lines)
	if n := cfg.hydra().Get("sweeper").Get("max_batch_size"); n != nil && !n.IsNull() {
		i, _ := n.Value().(int64)
		if i <= 0 {
			return nil, errors.New("hydra.sweeper.max_batch_size must be at least 1")
		}
		size = int(min(i, int64(size)))
	}
	var common []string
	for _, item := range cfg.hydra().Get("overrides").Get("hydra").Items() {
		common = append(common, omegaconf.Str(item))
	}
	for i, line := range lines {
		job, err := pinned.sweepJob(append(common[:len(common):len(common)], line...), i)
		if err != nil {
			return nil, fmt.Errorf("cannot compose job %d (%s): %w", i, strings.Join(line, " "), err)
		}
		if i%max(size, 1) == 0 {
			s.Batches = append(s.Batches, nil)
		}
		job.line = line
		last := len(s.Batches) - 1
		s.Batches[last] = append(s.Batches[last], job)
	}
	return s, nil
}

func (l *Loader) sweepJob(overrides []string, num int) (*Job, error) {
	cfg, err := l.Compose(overrides, Run)
	if err != nil {
		return nil, err
	}
	err = errors.Join(cfg.Tree.Update("hydra.job.id", num, false), cfg.Tree.Update("hydra.job.num", num, false))
	if err != nil {
		return nil, err
	}
	dir, err := selectText(cfg, "hydra.sweep.dir")
	if err != nil {
		return nil, err
	}
	subdir, err := selectText(cfg, "hydra.sweep.subdir")
	if err != nil {
		return nil, err
	}
	if filepath.IsAbs(subdir) {
		dir = ""
	}
	return newJob(cfg, filepath.Join(dir, subdir), num)
}

// product lists the overrides of each job. Those of hydra.sweeper.params come first;
// the last override's values change fastest.
func (l *Loader) product(cfg *Config) ([][]string, error) {
	var lines []string
	if params := cfg.hydra().Get("sweeper").Get("params"); params != nil {
		for _, key := range params.Keys() {
			lines = append(lines, omegaconf.Str(key)+"="+omegaconf.Str(params.Get(key)))
		}
	}
	for _, item := range cfg.hydra().Get("overrides").Get("task").Items() {
		lines = append(lines, omegaconf.Str(item))
	}
	parsed, err := ParseOverrides(lines)
	if err != nil {
		return nil, err
	}
	repo := newRepository(l.Sources)
	var keys []string
	choices := map[string][]string{}
	for _, o := range parsed {
		key := o.KeyElement()
		if _, there := choices[key]; !there {
			keys = append(keys, key)
		}
		if choices[key], err = o.spread(repo.options); err != nil {
			return nil, fmt.Errorf("cannot use override %q: %w", o.Line, err)
		}
	}
	jobs := [][]string{{}}
	for _, key := range keys {
		var longer [][]string
		for _, job := range jobs {
			for _, value := range choices[key] {
				longer = append(longer, append(job[:len(job):len(job)], key+"="+value))
			}
		}
		if jobs = longer; len(jobs) > maxJobs {
			return nil, fmt.Errorf("the sweep has more than %d jobs", maxJobs)
		}
	}
	return jobs, nil
}

// spread is what an override's value is in each job.
func (o *Override) spread(options func(group string) []string) ([]string, error) {
	if o.IsSweep() {
		return o.values(options)
	}
	text, err := format(o.Value)
	return []string{text}, err
}

// Save makes the sweep's folder, with multirun.yaml in it.
func (s *Sweep) Save() error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the sweep's folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "multirun.yaml"), []byte(s.config.Tree.YAML()), 0o644); err != nil {
		return fmt.Errorf("cannot save the sweep's configuration: %w", err)
	}
	return nil
}

// Jobs is the number of jobs.
func (s *Sweep) Jobs() int {
	n := 0
	for _, batch := range s.Batches {
		n += len(batch)
	}
	return n
}

// Run runs the jobs one after the other. A job that fails is reported to failed at
// once; the rest of its batch still runs, then the sweep ends with the first error.
// When ctx ends, so does the sweep.
func (s *Sweep) Run(ctx context.Context, task func(ctx context.Context, job *Job) error, failed func(job *Job, err error)) error {
	for _, batch := range s.Batches {
		var first error
		for _, job := range batch {
			if err := ctx.Err(); err != nil {
				return errors.Join(first, err)
			}
			err := task(ctx, job)
			if err == nil {
				continue
			}
			failed(job, err)
			if first == nil {
				first = fmt.Errorf("job %d (%s) failed: %w", job.Num, strings.Join(job.Overrides, " "), err)
			}
		}
		if first != nil {
			return first
		}
	}
	return nil
}
