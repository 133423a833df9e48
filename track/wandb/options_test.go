package wandb

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/torchlit/torchlit/track"
	"gopkg.in/yaml.v3"
)

// TestOptions settles options as YAML, the environment and the run give them.
func TestOptions(t *testing.T) {
	info := track.Run{Name: "run-7", Dir: "/runs/7", Tags: []string{"own"}}
	f := func(options string, env map[string]string, check func(*settings)) {
		t.Helper()
		var o Options
		require.NoError(t, yaml.Unmarshal([]byte(options), &o))
		s, err := o.settle(info, func(name string) string { return env[name] })
		require.NoError(t, err)
		check(s)
	}
	f("", nil, func(s *settings) {
		require.Equal(t, "torchlit", s.project)
		require.Equal(t, "run-7", s.name)
		require.Equal(t, []string{"own"}, s.tags)
		require.Equal(t, modeOnline, s.mode)
		require.Equal(t, "false", s.logModel)
		require.Equal(t, "/runs/7/wandb", s.folder())
		require.Equal(t, 15*time.Second, s.statsInterval)
		require.Equal(t, 5*time.Minute, s.uploadTimeout)
		require.True(t, s.git)
		require.NotEmpty(t, s.host)
	})
	env := map[string]string{
		"WANDB_PROJECT": "p", "WANDB_ENTITY": "e", "WANDB_NAME": "n", "WANDB_RUN_ID": "i", "WANDB_RUN_GROUP": "g",
		"WANDB_JOB_TYPE": "j", "WANDB_NOTES": "notes", "WANDB_TAGS": "x, y,,x", "WANDB_MODE": "offline", "WANDB_DIR": "/data",
		"WANDB_HOST": "h", "WANDB_DISABLE_GIT": "true",
	}
	f("", env, func(s *settings) {
		require.Equal(t, []string{"p", "e", "n", "i", "g", "j", "notes", "h"}, []string{s.project, s.entity, s.name, s.id, s.group, s.jobType, s.notes, s.host})
		require.Equal(t, []string{"x", "y", "own"}, s.tags)
		require.Equal(t, modeOffline, s.mode)
		require.Equal(t, "/data/wandb", s.folder())
		require.False(t, s.git)
		require.False(t, s.resume)
	})
	f("{project: q, entity: f, name: m, id: k, group: h, job_type: eval, notes: why, tags: [z], mode: online, log_model: true, stats_interval: 2s}", env, func(s *settings) {
		require.Equal(t, []string{"q", "f", "m", "k", "h", "eval", "why"}, []string{s.project, s.entity, s.name, s.id, s.group, s.jobType, s.notes})
		require.Equal(t, []string{"z", "own"}, s.tags)
		require.Equal(t, modeOnline, s.mode)
		require.Equal(t, "true", s.logModel)
		require.Equal(t, 2*time.Second, s.statsInterval)
	})
	f("", map[string]string{"WANDB_MODE": "dryrun", "WANDB_RESUME": "allow"}, func(s *settings) {
		require.Equal(t, modeOffline, s.mode)
		require.True(t, s.resume)
	})
	f("", map[string]string{"WANDB_MODE": "online", "WANDB_DISABLED": "true"}, func(s *settings) { require.Equal(t, modeDisabled, s.mode) })
	f("{mode: offline}", map[string]string{"WANDB_DISABLED": "true"}, func(s *settings) { require.Equal(t, modeOffline, s.mode) })
	f(`{summary: {val_acc: "max, last"}}`, nil, func(s *settings) {
		require.Equal(t, map[string]aggregates{"val_acc": {opMax, opLast}}, s.summary)
	})
}

func TestOptionsRefused(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		_, err := o.settle(track.Run{}, func(string) string { return "" })
		require.ErrorContains(t, err, want)
	}
	f(Options{Mode: "sometimes"}, `mode "sometimes": choose from online, offline, disabled`)
	f(Options{Project: "a/b"}, `project "a/b"`)
	f(Options{Entity: "a:b"}, `entity "a:b"`)
	f(Options{ID: "../x"}, `run id "../x"`)
	f(Options{ID: ".."}, "may not begin or end with a dot")
	f(Options{LogModel: "some"}, `log_model "some": choose from false, true, all`)
	f(Options{Tags: []string{strings.Repeat("x", 65)}}, "64 characters")
	f(Options{Summary: map[string]string{"loss": "least"}}, `metric "loss" by "least": choose from min, max, mean, first, last, none`)
}

func TestDisabled(t *testing.T) {
	unset(t, "WANDB_MODE")
	dir := t.TempDir()
	tracker, err := New(Options{Mode: modeDisabled}, track.Run{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, tracker.Log(1, map[string]float64{"loss": 1}))
	require.NoError(t, tracker.Image(1, "x", []byte("no picture"), ""))
	require.NoError(t, tracker.Finish(track.StatusFinished, nil))
	require.Empty(t, entries(t, dir))
}
