//go:build interop

package hydra

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/config/omegaconf"
	"github.com/torchlit/torchlit/internal/interop"
)

// python is an interpreter with hydra-core.
func python(t *testing.T) string {
	t.Helper()
	return interop.Python(t, "hydra")
}

// TestInteropVersion: the referee is the release whose behaviour is promised.
func TestInteropVersion(t *testing.T) {
	installed := interop.Run(t, python(t), "-c", "import importlib.metadata; print(importlib.metadata.version('hydra-core'))")
	require.Equal(t, Version, strings.TrimSpace(installed))
}

// ask has the referee judge the cases.
func ask(t *testing.T, cases []testCase) []verdict {
	t.Helper()
	data, err := json.Marshal(cases)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "cases.json")
	require.NoError(t, os.WriteFile(path, data, 0o644))
	cmd := exec.CommandContext(t.Context(), python(t), "testdata/referee.py", path)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run(), errs.String())
	var answers []verdict
	require.NoError(t, json.Unmarshal(out.Bytes(), &answers))
	require.Len(t, answers, len(cases))
	return answers
}

// TestInteropCases checks that answers.json is what the real hydra-core says. With
// UPDATE=1 it writes the file.
func TestInteropCases(t *testing.T) {
	cases := readCases(t)
	answers := ask(t, cases)
	for i := range answers {
		if !answers[i].OK {
			answers[i].Out = "" // its words are its own
		}
	}
	if os.Getenv("UPDATE") != "" {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		require.NoError(t, e.Encode(answers))
		require.NoError(t, os.WriteFile("testdata/answers.json", b.Bytes(), 0o644))
	}
	stored := readAnswers(t)
	require.Len(t, stored, len(answers), "run this test with UPDATE=1")
	for i, c := range cases {
		assert.Equal(t, stored[i], answers[i], "%+v", c)
		agree(t, c, answers[i])
	}
}

// TestInteropConfigs composes the configs that Torchlit comes with: each option of
// each group, and all experiments.
func TestInteropConfigs(t *testing.T) {
	dir, err := filepath.Abs("../../configs")
	require.NoError(t, err)
	name := "train"
	cases := []testCase{{}}
	repo := newRepository([]Source{Dir("main", dir)})
	for _, group := range repo.list("", true) {
		if group == "hydra" {
			continue
		}
		for _, option := range repo.options(group) {
			cases = append(cases, testCase{Overrides: []string{group + "=" + option}},
				testCase{Overrides: []string{group + "=" + option, "seed=5", "+extra={a:1}"}})
		}
		cases = append(cases, testCase{Kind: "sweep", Overrides: []string{group + "=glob(*)", "seed=1,2"}})
	}
	require.Greater(t, len(cases), 20)
	for i := range cases {
		cases[i].Dir, cases[i].Config = dir, &name
		if cases[i].Kind == "" {
			cases[i].Kind = "compose"
		}
	}
	for i, answer := range ask(t, cases) {
		assert.True(t, answer.OK, "%v: %s", cases[i].Overrides, answer.Out)
		agree(t, cases[i], answer)
	}
}

// TestInteropRun compares the folders that a run and a sweep leave.
func TestInteropRun(t *testing.T) {
	interpreter := python(t)
	conf, err := filepath.Abs("testdata/conf")
	require.NoError(t, err)
	app, err := filepath.Abs("testdata/app.py")
	require.NoError(t, err)
	f := func(config string, multirun bool, overrides ...string) {
		t.Helper()
		t.Chdir(t.TempDir())
		args := append([]string{app, "--config-dir", conf, "--config-name", config}, overrides...)
		if multirun {
			args = append(args, "--multirun")
		}
		out, err := exec.CommandContext(t.Context(), interpreter, args...).CombinedOutput()
		require.NoError(t, err, string(out))
		want := collect(t)
		require.NotEmpty(t, want)
		require.NoError(t, os.RemoveAll("out"))

		l := &Loader{Name: config, Job: "app", Sources: []Source{Dir("command-line", conf)}}
		if !multirun {
			job, err := l.NewJob(overrides)
			require.NoError(t, err)
			require.NoError(t, job.Save())
		} else {
			s, err := l.NewSweep(overrides)
			require.NoError(t, err)
			require.NoError(t, s.Save())
			for _, batch := range s.Batches {
				for _, job := range batch {
					require.NoError(t, job.Save())
				}
			}
		}
		assert.Equal(t, want, collect(t), "%s %v", config, overrides)
	}
	f("config", false, "hydra.run.dir=out/a")
	f("config", false, "hydra.run.dir=out/${name}", "name=x", "db=postgres", "+new='a b'", "rate=1e-5")
	f("hydraset", false, "name=y", "db.port=5")
	f("config", false, "hydra.run.dir=out/a", "hydra.output_subdir=meta", "~db", "+hydra.job.env_set={A:1}")
	f("experiments", false, "hydra.run.dir=out/a", "experiment=fast", "hydra/job_logging=stdout", "hydra.verbose=[x]")
	f("config", true, "hydra.sweep.dir=out/s", "name=a,b", "rate=1,2")
	f("config", true, "hydra.sweep.dir=out/s", "hydra.sweep.subdir=${hydra.job.override_dirname}", "name=a,b", "db=mysql,postgres")
	f("hydraset", true, "hydra.sweep.dir=out/s", "name=a,'b c'", "db.port=range(1,3)")
	f("params", true, "hydra.sweep.dir=out/s")
}

// collect reads the YAML files below the folder out. The texts of the help pages are
// each program's own, and the real one has a search path of its own, too.
func collect(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir("out", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		n, err := omegaconf.Load(data)
		require.NoError(t, err)
		if strings.HasSuffix(path, "config.yaml") || strings.HasSuffix(path, "overrides.yaml") {
			files[path] = string(data)
			return nil
		}
		h := n.Get("hydra")
		h.Remove("help")
		h.Remove("hydra_help")
		h.Get("runtime").Remove("config_sources")
		files[path] = n.YAML()
		return nil
	}))
	return files
}
