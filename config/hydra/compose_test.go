package hydra

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// loader composes the configs of testdata/conf, at a fixed time.
func loader(name string) *Loader {
	return &Loader{
		Name: name, Job: "app", Sources: []Source{Dir("main", "testdata/conf")},
		Now: time.Date(2026, 11, 23, 21, 30, 5, 0, time.UTC),
	}
}

// Errors name what is nearest, or what there is.
func TestComposeErrors(t *testing.T) {
	f := func(config, override, want string) {
		t.Helper()
		var overrides []string
		if override != "" {
			overrides = []string{override}
		}
		_, err := loader(config).Compose(overrides, Run)
		require.Error(t, err)
		assert.Contains(t, err.Error(), want)
	}
	f("config", "db.usr=x", `there is no key "db.usr"; the nearest is "db.user" (to add it, write +db.usr=x)`)
	f("config", "nested.b={cc:1}", `there is no key "nested.b.cc"; the nearest is "nested.b.c"`)
	f("experiments", "experimnt=fast", `there is no key "experimnt"; the nearest is "experiment"`)
	f("config", "db=mysq", `group "db" has no option "mysq"; the nearest is "mysql" of absolute, base`)
	f("config", "server=caddyserver", `group "server" has no option "caddyserver"; there are apache, nginx, self`)
	f("notfound", "", `group "db" has no option "nothere", which config "notfound" lists`)
	f("cnfig", "", `there is no config "cnfig"; searched in testdata/conf`)
	f("missing", "", `group "db" has no default: give db=OPTION, one of absolute, base`)
	f("packages", "db=postgres", `cannot override "db": did you mean db@source or db@target?`)
	f("config", "log=json", `cannot override "log": no defaults list has the group "log" (to add it, write +log=json)`)
	f("config", "+name=x", `"name" is there already: leave out the + to change it`)
	f("config", "++db=mysql", `"db" is a group: use +db=mysql`)
	f("config", "~nme", `it does not exist; the nearest is "name"`)
	f("config", "~name=x", "its value is app, not x")
	f("config", "name=1,2", "to sweep over the values add --multirun")
	f("config", "rate=range(1,3)", "to sweep over the values add --multirun")
	f("config", "name@x=1", `there is no config group "name"`)
	f("config", "hydra.job.nam=x", `the nearest is "hydra.job.name"`)
	f("config", "hydra.job.num=x", `"x" is not a whole number`)
	f("hydrabad", "", `in config "hydrabad": there is no key "hydra.nosuch"; the nearest is "hydra.run"`)
	f("overridelate", "", "'override server: nginx' must stand behind 'server: apache'")
	f("overridebad", "", `cannot override "server" in config "overridebad": no defaults list has the group "server"`)
	f("twovalues", "", `write 'override db: mysql'`)
	f("selftwice", "", "has _self_ twice")
	f("badyaml", "", `cannot use config "badyaml" of file://testdata/conf: line`)
	f("dupkey", "", `line 3: the key "a" occurs twice`)
	f("mergebad", "", `in config "mergebad": cannot merge a list into the mapping "m"`)
	f("interpbad", "", `cannot resolve "${nothing}_x"`)
}

// A base config says which keys there are, with their defaults.
func TestBase(t *testing.T) {
	base, err := omegaconf.New(omegaconf.Dict{{Key: "name", Value: "b"}, {Key: "only", Value: 1}, {Key: "db", Value: omegaconf.Dict{{Key: "user", Value: "u"}}}})
	require.NoError(t, err)
	any := &omegaconf.Type{Name: "dict"}
	base.Demand(&omegaconf.Type{Name: "dict", Fields: map[string]*omegaconf.Type{"name": nil, "only": nil, "a": nil, "b": any, "db": any}})

	l := loader("nodefaults")
	l.Base = base
	cfg, err := l.Compose([]string{"only=2", "db.user=x"}, Run)
	require.NoError(t, err)
	cfg.Tree.Remove("hydra")
	assert.Equal(t, "name: b\nonly: 2\ndb:\n  user: x\na: 1\nb:\n  c: 2\n", cfg.Tree.YAML())

	_, err = l.Compose([]string{"onli=2"}, Run)
	require.ErrorContains(t, err, `there is no key "onli"; the nearest is "only"`)
	assert.NotContains(t, err.Error(), "write +")
	l.Name = "config"
	_, err = l.Compose(nil, Run)
	assert.ErrorContains(t, err, `in config "server/apache": there is no key "server"`)
}

func TestPrimary(t *testing.T) {
	l := loader("mine")
	l.Primary = []byte("# mine\ndefaults:\n  - db: postgres\n  - _self_\ndb: {user: me}\nwhen: ${now:%H:%M}\n")
	job, err := l.NewJob([]string{"db.port=7"})
	require.NoError(t, err)
	resolved, err := job.Config.Resolved(true)
	require.NoError(t, err)
	assert.Equal(t, "db:\n  driver: postgresql\n  user: me\n  port: 7\nwhen: '21:30'\n", resolved.YAML())
	assert.Equal(t, "outputs/2026-11-23/21-30-05", job.Dir)
	assert.Equal(t, []string{"db.port=7"}, job.Overrides)
	assert.Equal(t, -1, job.Num)

	l.Primary, l.RunDir = []byte("a: ["), "x"
	_, err = l.NewJob(nil)
	assert.ErrorContains(t, err, `cannot use config "mine"`)
}

func TestSearchPath(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "db"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "db", "lite.yaml"), []byte("driver: sqlite\n"), 0o644))
	cfg, err := loader("searchpath").Compose([]string{"hydra.searchpath=['file://" + dir + "']", "db=lite"}, Run)
	require.NoError(t, err)
	assert.Equal(t, "sqlite", cfg.Tree.Get("db").Get("driver").Value())

	l := loader("searchpath")
	l.Sources = append(l.Sources, Dir("command-line", dir))
	cfg, err = l.Compose([]string{"db=lite"}, Run)
	require.NoError(t, err)
	assert.Equal(t, "sqlite", cfg.Tree.Get("db").Get("driver").Value())

	_, err = loader("searchpath").Compose([]string{"hydra.searchpath=['pkg://x']"}, Run)
	assert.ErrorContains(t, err, "hydra.searchpath must be a list of folders")
	// A config path stays inside of its source.
	_, err = loader("config").Compose([]string{"db='../db/mysql'"}, Run)
	assert.NoError(t, err)
	_, err = loader("config").Compose([]string{"db='../../cases'"}, Run)
	assert.Error(t, err)
}

func TestAddGroups(t *testing.T) {
	got := loader("config").AddGroups([]string{"db=mysql", "name=x", "+db=mysql", "=", "server@a=nginx", "hydra/job_logging=none", "a b"})
	assert.Equal(t, []string{"+db=mysql", "name=x", "+db=mysql", "=", "+server@a=nginx", "hydra/job_logging=none", "a b"}, got)
}

func TestMode(t *testing.T) {
	assert.Equal(t, Run, loader("config").Mode(nil))
	assert.Equal(t, Run, loader("config").Mode([]string{"nothere=1"}))
	assert.Equal(t, Multirun, loader("config").Mode([]string{"hydra.mode=MULTIRUN"}))
}

func TestJobSave(t *testing.T) {
	t.Chdir(t.TempDir())
	conf := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(conf, "main.yaml"), []byte("lr: 1e-3\ndir: ${hydra:runtime.output_dir}\n"), 0o644))
	l := &Loader{Name: "main", Job: "train", RunDir: "runs/${now:%Y}/${lr}", Now: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Sources: []Source{Dir("main", conf)}}
	job, err := l.NewJob([]string{"lr=0.5"})
	require.NoError(t, err)
	assert.Equal(t, "runs/2026/0.5", job.Dir)
	require.NoError(t, job.SetDir("elsewhere"))
	require.NoError(t, job.Save())

	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("elsewhere", ".hydra", name))
		require.NoError(t, err)
		return string(data)
	}
	assert.Equal(t, "lr: 0.5\ndir: ${hydra:runtime.output_dir}\n", read("config.yaml"))
	assert.Equal(t, "- lr=0.5\n", read("overrides.yaml"))
	abs, err := filepath.Abs("elsewhere")
	require.NoError(t, err)
	assert.Contains(t, read("hydra.yaml"), "output_dir: "+abs+"\n")
	resolved, err := job.Config.Resolved(true)
	require.NoError(t, err)
	assert.Equal(t, abs, resolved.Get("dir").Value())

	job, err = l.NewJob([]string{"hydra.output_subdir=null", "hydra.run.dir=bare"})
	require.NoError(t, err)
	require.NoError(t, job.Save())
	assert.NoDirExists(t, "bare/.hydra")

	require.NoError(t, os.WriteFile("file", nil, 0o644))
	require.NoError(t, job.SetDir("file"))
	assert.ErrorContains(t, job.Save(), "cannot make the run folder")
}

func TestSweep(t *testing.T) {
	t.Chdir(t.TempDir())
	conf := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(conf, "main.yaml"), []byte("a: 0\nb: 0\n"), 0o644))
	l := &Loader{Name: "main", SweepDir: "sweep", Sources: []Source{Dir("main", conf)}}
	s, err := l.NewSweep([]string{"a=1,2", "b=x,y", "hydra.sweeper.max_batch_size=3"})
	require.NoError(t, err)
	require.NoError(t, s.Save())
	assert.FileExists(t, "sweep/multirun.yaml")
	assert.Equal(t, 4, s.Jobs())
	require.Len(t, s.Batches, 2)

	// A job that fails does not keep the rest of its batch from running, but the next batch.
	var ran, failed []string
	broken := errors.New("broken")
	err = s.Run(t.Context(), func(_ context.Context, job *Job) error {
		ran = append(ran, job.Dir+" "+strings.Join(job.Overrides, " "))
		if job.Num == 1 {
			return broken
		}
		return nil
	}, func(job *Job, err error) { failed = append(failed, job.Dir) })
	require.ErrorIs(t, err, broken)
	assert.ErrorContains(t, err, "job 1 (a=1 b=y) failed: broken")
	assert.Equal(t, []string{"sweep/0 a=1 b=x", "sweep/1 a=1 b=y", "sweep/2 a=2 b=x"}, ran)
	assert.Equal(t, []string{"sweep/1"}, failed)

	// When the caller gives up, so does the sweep.
	ctx, cancel := context.WithCancel(t.Context())
	ran = nil
	err = s.Run(ctx, func(_ context.Context, job *Job) error {
		ran = append(ran, job.Dir)
		cancel()
		return ctx.Err()
	}, func(*Job, error) {})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []string{"sweep/0"}, ran)
}

// A sweep whose last job could not be composed does not begin.
func TestSweepErrors(t *testing.T) {
	f := func(want string, overrides ...string) {
		t.Helper()
		_, err := loader("config").NewSweep(overrides)
		require.Error(t, err)
		assert.Contains(t, err.Error(), want)
	}
	f(`cannot compose job 1 (db=nothere): group "db" has no option "nothere"`, "db=mysql,nothere")
	f("an interval has no end of values; give choice(…) or range(…)", "rate=interval(0,1)")
	f("the step of a range cannot be 0", "rate=range(0,1,0)")
	f("the range has more than", "rate=range(0,1,1e-9)")
	f("the sweep has more than", "rate=range(0,1000)", "name=range(0,1000)")
	f("hydra.sweeper.max_batch_size must be at least 1", "name=a,b", "hydra.sweeper.max_batch_size=0")
	f("hydra's own configuration cannot be swept over", "hydra.run.dir=a,b")
	f("a range needs finite numbers", "rate=range(0,inf)")
}

func TestShuffle(t *testing.T) {
	s, err := loader("config").NewSweep([]string{"rate=shuffle(range(1,30))"})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, job := range s.Batches[0] {
		seen[job.Overrides[0]] = true
	}
	assert.Len(t, seen, 29)
}

func TestShow(t *testing.T) {
	cfg, err := loader("config").Compose([]string{"hydra.run.dir=out/${name}"}, Run)
	require.NoError(t, err)
	f := func(part Part, pkg string, resolve bool, want string) {
		t.Helper()
		got, err := cfg.Show(part, pkg, resolve)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	f(JobPart, "nested.b", false, "# @package nested.b\nc: two\nd: null\n")
	f(JobPart, "url", false, "http://localhost:8080/app\n")
	f(JobPart, "server", true, "# @package server\nhost: localhost\nport: 8080\nkind: apache\nroot: apache-app\n")
	f(HydraPart, "hydra.run", false, "# @package hydra.run\ndir: out/${name}\n")
	f(AllParts, "hydra.run", true, "# @package hydra.run\ndir: out/app\n")
	all, err := cfg.Show(AllParts, "", false)
	require.NoError(t, err)
	assert.Contains(t, all, "hydra:\n  run:\n")
	assert.Contains(t, all, "\nname: app\n")
	hydra, err := cfg.Show(HydraPart, "_global_", false)
	require.NoError(t, err)
	assert.NotContains(t, hydra, "\nname: app\n")
	assert.NotContains(t, hydra, "  hydra_help:\n")

	_, err = cfg.Show(JobPart, "neste", false)
	assert.ErrorContains(t, err, `has no package "neste"; the nearest is "nested"`)
	_, err = cfg.Show("jobs", "", false)
	assert.ErrorContains(t, err, "give job, hydra or all")
}

func TestInfo(t *testing.T) {
	cfg, err := loader("deep").Compose([]string{"+log=json"}, Run)
	require.NoError(t, err)
	tree := cfg.DefaultsTree()
	assert.Contains(t, tree, `  deep:
    model: big:
      model/part: wheel
      model/part@model.extra: door
      db@model.store: postgres
      _self_
    _self_
    log: json
`)
	table := cfg.DefaultsTable()
	assert.Contains(t, table, "| model/part/door             | model.extra         | False  | model/big    |")
	assert.Contains(t, table, "| deep                        |                     | True   | <root>       |")
}

func TestPackageHeader(t *testing.T) {
	f := func(text, want string, found bool) {
		t.Helper()
		pkg, ok, err := packageHeader([]byte(text))
		require.NoError(t, err)
		assert.Equal(t, want, pkg)
		assert.Equal(t, found, ok)
	}
	f("# @package _global_\na: 1", "_global_", true)
	f("\n\n  #@package   x.y  \n", "x.y", true)
	f("# @other z\n# @package x", "x", true)
	f("# a comment\n# @package x", "", false)
	f("a: 1\n# @package x", "", false)
	f(strings.Repeat("\n", 600)+"# @package x", "", false)
	_, _, err := packageHeader([]byte("# @package a b"))
	assert.Error(t, err)
	_, _, err = packageHeader([]byte("# @package"))
	assert.Error(t, err)
}
