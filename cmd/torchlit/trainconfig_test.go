package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/config"
	"github.com/torchlit/torchlit/config/hydra"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/train"
)

// composer composes runs with the configs of this repository; the test binary has no
// installation of its own.
func composer(t *testing.T, overrides ...string) *trainComposer {
	t.Helper()
	c, err := newTrainComposer(trainFlags{}, overrides)
	require.NoError(t, err)
	c.loader.Sources, c.loader.Name = []hydra.Source{hydra.Dir("main", "../../configs")}, "train"
	c.base.Data.Dir = ""
	c.loader.Base = config.Base(c.base)
	return c
}

// The default of the configs is that of the program, but for the sizes and the seed.
func TestTrainConfigs(t *testing.T) {
	job, err := composer(t).job()
	require.NoError(t, err)
	want := train.Default()
	want.Seed, want.OutputDir = 1, job.Dir
	want.Data.Sizes = []train.SizePhase{{From: 0, Side: 24}, {From: 0.4, Side: 32}}
	assert.Equal(t, want, job.cfg)
	assert.Regexp(t, `^runs/\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d$`, job.Dir)
}

// Each option of each group is a valid configuration.
func TestTrainConfigOptions(t *testing.T) {
	files, err := filepath.Glob("../../configs/*/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		group, option := filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".yaml")
		overrides := []string{group + "=" + option}
		if group == "data" || group == "experiment" {
			overrides = append(overrides, "data.dir=pictures")
		}
		if option == "from-log" {
			overrides = append(overrides, "data.extra_dir=retrain")
		}
		_, err := composer(t, overrides...).job()
		assert.NoError(t, err, "%v", overrides)
	}
	_, err = composer(t, "data=imagefolder").job()
	assert.ErrorContains(t, err, "set data.dir to a folder")
}

func TestTrainComposer(t *testing.T) {
	job, err := composer(t, "model=resnet34", "optim=adamw", "optim.lr=2e-3", "output_dir=runs/${model.name}").job()
	require.NoError(t, err)
	assert.Equal(t, "resnet34", job.cfg.Model.Name)
	assert.Equal(t, "adamw", job.cfg.Optim.Name)
	assert.Equal(t, 0.002, job.cfg.Optim.LR)
	assert.Equal(t, "runs/resnet34", job.cfg.OutputDir)
	assert.Equal(t, "runs/resnet34", job.Dir)
	assert.Equal(t, []string{"model=resnet34", "optim=adamw", "optim.lr=2e-3", "output_dir=runs/${model.name}"}, job.Overrides)

	// A part of a configuration does: the other keys have their defaults.
	file := filepath.Join(t.TempDir(), "mine.yml")
	require.NoError(t, os.WriteFile(file, []byte("trainer:\n  max_epochs: 3\n"), 0o644))
	c, err := newTrainComposer(trainFlags{file: file}, []string{"seed=7"})
	require.NoError(t, err)
	job, err = c.job()
	require.NoError(t, err)
	want := train.Default()
	want.Trainer.MaxEpochs, want.Seed, want.OutputDir = 3, 7, job.Dir
	assert.Equal(t, want, job.cfg)
}

func TestTrainSweepConfigs(t *testing.T) {
	s, jobs, err := composer(t, "optim.lr=0.1,0.2", "model=glob(resnet1?)").sweep()
	require.NoError(t, err)
	require.Len(t, jobs, 2)
	second := s.Batches[0][1]
	assert.Equal(t, 0.2, jobs[second].cfg.Optim.LR)
	assert.Equal(t, filepath.Join(s.Dir, "1"), jobs[second].cfg.OutputDir)

	_, _, err = composer(t, "optim.lr=0.1,0.2", "output_dir=same").sweep()
	assert.ErrorContains(t, err, `jobs 0 and 1 have the same run folder "same"`)
	_, _, err = composer(t, "optim.lr=0.1,-1").sweep()
	assert.ErrorContains(t, err, "cannot use job 1: cannot train with optim.lr=-1")
}

func TestTrainConfigErrors(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		_, stderr, code := runCommand(t, append([]string{"train"}, args...)...)
		assert.Equal(t, exitUsage, code)
		assert.Contains(t, stderr, want)
	}
	f(`there is no key "optim.lrr"; the nearest is "optim.lr"`, "optim.lrr=1")
	f(`cannot set optim.lr to "fast": give a number`, "optim.lr=fast")
	f("to sweep over the values add --multirun", "optim.lr=1,2")
	f("give either --config or --config-name", "--config", "x", "--config-name", "y")
	f("cannot read the configuration", "--config", "/nowhere.yaml")
	f(`--config-dir "/nowhere": it is no folder`, "--config-dir", "/nowhere")
	f("--resolve and --package go with --cfg", "--resolve")
	f("give job, hydra or all", "--cfg", "jobs")
	f("give defaults or defaults-tree", "--info", "config")
	f("resume goes on with one run", "--multirun", "resume=x")
	f("resume goes on with one run", "resume=x,y")
	f("holds no checkpoint", "resume="+t.TempDir())
}

func TestTrainShow(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte("optim:\n  lr: ${oc.env:TORCHLIT_TEST_LR,0.5}\n"), 0o644))
	out, stderr, code := runCommand(t, "train", "--config-dir", dir, "--config-name", "mine", "--cfg", "job", "--package", "optim.lr")
	require.Zero(t, code, stderr)
	assert.Equal(t, "0.5\n", out)
	out, stderr, code = runCommand(t, "train", "--config-dir", dir, "--config-name", "mine", "--info", "defaults")
	require.Zero(t, code, stderr)
	assert.Contains(t, out, "| mine ")
}

// A sweep leaves a folder of runs; a run that fails does not end the others.
func TestTrainSweep(t *testing.T) {
	torchtest.Need(t)
	data, sweep := writeImages(t), filepath.Join(t.TempDir(), "sweep")
	out, stderr, code := runCommand(t, "train", "--multirun", "hydra.sweep.dir="+sweep, "data.batch_size=4", "data.sizes=[]", "augment.pad=1",
		"trainer.precision=32", "trainer.max_epochs=1", "data.dir="+data+",/nowhere", "seed=1")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, stderr, "sweep of 2 runs in "+sweep)
	assert.Contains(t, stderr, `run 1 failed: cannot open data set "/nowhere"`)
	assert.Contains(t, out, "model in "+filepath.Join(sweep, "0", "model"))
	assert.FileExists(t, filepath.Join(sweep, "multirun.yaml"))
	overrides, err := os.ReadFile(filepath.Join(sweep, "0", ".hydra", "overrides.yaml"))
	require.NoError(t, err)
	assert.Contains(t, string(overrides), "- seed=1\n")
	settings, err := os.ReadFile(filepath.Join(sweep, "0", ".hydra", "config.yaml"))
	require.NoError(t, err)
	assert.Contains(t, string(settings), "dir: "+data+"\n")
}
