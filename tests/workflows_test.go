package tests

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// workflow is what the rules below look at in a file of .github/workflows.
type workflow struct {
	On          yaml.Node      `yaml:"on"`
	Permissions map[string]any `yaml:"permissions"`
	Concurrency any            `yaml:"concurrency"`
	Jobs        map[string]job `yaml:"jobs"`
}

type job struct {
	Uses        string         `yaml:"uses"`
	Timeout     any            `yaml:"timeout-minutes"`
	Permissions map[string]any `yaml:"permissions"`
	Concurrency any            `yaml:"concurrency"`
	Steps       []step         `yaml:"steps"`
}

type step struct {
	Uses string         `yaml:"uses"`
	With map[string]any `yaml:"with"`
	Run  string         `yaml:"run"`
}

var (
	actionPin  = regexp.MustCompile(`^[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+@[0-9a-f]{40}$`)
	pinnedLine = regexp.MustCompile(`uses: \S+@[0-9a-f]{40}(.*)`)
	pinComment = regexp.MustCompile(`^ # v[0-9]+\.[0-9]+\.[0-9]+$`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	quoted     = regexp.MustCompile(`'[^']*'`)
)

// houseRules returns what a workflow does that it must not. What it runs also runs by hand, so that a failure can be looked at
// without pushing; what somebody else wrote is what was looked at; and no job can do more, or go on for longer, than it says.
func houseRules(text string, targets []string, program func(string) error) []string {
	var bad []string
	f := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }

	var w workflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		return []string{err.Error()}
	}
	if w.Permissions == nil {
		f("it states no permissions: every right that the repository's settings give is given")
	}
	for scope, right := range w.Permissions {
		if right == "write" {
			f("all jobs may write %s: give it to the job that has to", scope)
		}
	}
	for _, event := range []string{"pull_request_target", "workflow_run"} {
		if strings.Contains(text, event) {
			f("%s gives rights and secrets to what a stranger's fork sends", event)
		}
	}
	if strings.Contains(text, "secrets.") || strings.Contains(text, "secrets: inherit") {
		f("it uses a secret: identities are federated, and GitHub's own token is github.token")
	}
	for _, line := range pinnedLine.FindAllStringSubmatch(text, -1) {
		if !pinComment.MatchString(line[1]) {
			f("%q does not say which version the hash is of", line[0])
		}
	}
	for name, j := range w.Jobs {
		for scope, right := range j.Permissions {
			if right == "write" && slices.Contains(events(w.On), "pull_request") {
				f("%s may write %s when a pull request runs it, and runs what the pull request says", name, scope)
			}
		}
		if j.Uses != "" {
			if called, ours := strings.CutPrefix(j.Uses, "./"); ours {
				if err := program(called); err != nil && !os.IsPermission(err) {
					f("%s: %v", name, err)
				}
			} else if !actionPin.MatchString(j.Uses) {
				f("%s uses %s, which is no full commit hash", name, j.Uses)
			}
			continue
		}
		if _, number := j.Timeout.(int); !number {
			f("%s has no timeout: six hours is what it gets", name)
		}
		if w.Concurrency == nil && j.Concurrency == nil {
			f("%s has no concurrency group, nor has the workflow", name)
		}
		for _, s := range j.Steps {
			if s.Uses != "" && !actionPin.MatchString(s.Uses) {
				f("%s uses %s, which is no full commit hash", name, s.Uses)
			}
			if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
				f("%s leaves the token in .git, where everything that runs later can read it: persist-credentials: false", name)
			}
			if s.Run != "" {
				bad = append(bad, command(name, s.Run, targets, program)...)
			}
		}
	}
	slices.Sort(bad)
	return bad
}

// events are the names under "on", which may be a word, a list or a map.
func events(on yaml.Node) []string {
	switch on.Kind {
	case yaml.ScalarNode:
		return []string{on.Value}
	case yaml.SequenceNode:
		var names []string
		for _, n := range on.Content {
			names = append(names, n.Value)
		}
		return names
	}
	var names []string
	for i := 0; i+1 < len(on.Content); i += 2 {
		names = append(names, on.Content[i].Value)
	}
	return names
}

// command judges what a step runs: one command, either make with targets that exist or a script of this repository.
func command(job, run string, targets []string, program func(string) error) []string {
	run = strings.TrimSpace(run)
	if bare := quoted.ReplaceAllString(run, ""); strings.ContainsAny(bare, "\n;&|<>`") || strings.Contains(bare, "$(") {
		return []string{fmt.Sprintf("%s runs more than one command, which nobody can run by hand: %q belongs into a script", job, run)}
	}
	if strings.Contains(run, "${{") {
		return []string{fmt.Sprintf("%s makes a command of an expression, whose value may be a command: hand it over by env: %q", job, run)}
	}
	words := strings.Fields(run)
	if words[0] != "make" {
		if err := program(words[0]); err != nil {
			return []string{fmt.Sprintf("%s runs %q: %v", job, run, err)}
		}
		return nil
	}
	var bad []string
	for _, word := range words[1:] {
		if strings.Contains(word, "=") {
			break
		}
		if !slices.Contains(targets, word) {
			bad = append(bad, fmt.Sprintf("%s makes %s, which the Makefile does not know", job, word))
		}
	}
	return bad
}

// inTree says whether a script is in the repository and can be run.
func inTree(name string) error {
	info, err := os.Stat(filepath.FromSlash(name))
	switch {
	case err != nil:
		return err
	case path.IsAbs(name) || !strings.Contains(name, "/"):
		return fmt.Errorf("%s is no script of this repository", name)
	case info.Mode()&0o111 == 0:
		return &os.PathError{Op: "run", Path: name, Err: os.ErrPermission}
	}
	return nil
}

func TestWorkflows(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range makeTarget.FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	found := 0
	for _, f := range textFiles(t) {
		if path.Dir(f.name) != ".github/workflows" {
			continue
		}
		found++
		for _, b := range houseRules(f.text, targets, inTree) {
			t.Errorf("%s: %s", f.name, b)
		}
	}
	if found < 7 {
		t.Errorf("only %d workflows were found: this test looks for them in the wrong place", found)
	}
}

// TestWorkflowVariables: who sets up a fork finds in docs/source/ci-cd.md each variable that a workflow asks for, and no other; and what is
// handed to the scripts of deploy/gce is a setting that they know.
func TestWorkflowVariables(t *testing.T) {
	asked, settings := map[string]bool{}, map[string]bool{}
	page, known := "", ""
	for _, f := range textFiles(t) {
		switch {
		case path.Dir(f.name) == ".github/workflows":
			for _, m := range regexp.MustCompile(`vars\.([A-Z_]+)`).FindAllStringSubmatch(f.text, -1) {
				asked[m[1]] = true
			}
			for _, m := range regexp.MustCompile(`(?m)^ +([A-Z_]+): \$\{\{[^}]*vars\.[A-Z_]+[^}]*\}\}$`).FindAllStringSubmatch(f.text, -1) {
				settings[m[1]] = true
			}
		case f.name == "docs/source/ci-cd.md":
			page = f.text
		case f.name == "deploy/gce/settings.sh":
			known = f.text
		}
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("`((?:GCP|TRAIN)_[A-Z_]+)`").FindAllStringSubmatch(page, -1) {
		told[m[1]] = true
	}
	for name := range asked {
		if !told[name] {
			t.Errorf("docs/source/ci-cd.md does not tell of the variable %s", name)
		}
	}
	for name := range told {
		if !asked[name] {
			t.Errorf("docs/source/ci-cd.md tells of the variable %s, which no workflow asks for", name)
		}
	}
	if len(asked) < 10 || len(settings) < 10 {
		t.Errorf("only %d variables and %d settings were found: this test does not see them", len(asked), len(settings))
	}
	for name := range settings {
		if known != "" && !regexp.MustCompile(`(?m)^: "\$\{`+name+`:?=`).MatchString(known) {
			t.Errorf("a workflow sets %s, which deploy/gce/settings.sh does not know", name)
		}
	}
}

func TestHouseRules(t *testing.T) {
	const hash = "11bd71901bbe5b1630ceea73d27597364c9af683"
	const good = `on: push
permissions: {contents: read}
concurrency: {group: x}
jobs:
  one:
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@` + hash + ` # v4.2.2
        with: {persist-credentials: false}
      - run: make lint test SOAK='a|b'
`
	program := func(name string) error {
		if name != "scripts/there.sh" {
			return fmt.Errorf("no %s: %w", name, os.ErrNotExist)
		}
		return nil
	}
	f := func(old, with, want string) {
		t.Helper()
		text := strings.Replace(good, old, with, 1)
		if old != "" && text == good {
			t.Fatalf("%q is not in the example", old)
		}
		got := strings.Join(houseRules(text, []string{"lint", "test"}, program), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q in the place of %q: got %q; want %q", with, old, got, want)
		}
	}
	const run = "make lint test SOAK='a|b'"
	f(run, "make lint test SOAK=a", "")
	f(run, "scripts/there.sh a \"$B\"", "")
	f(run, "scripts/gone.sh", "no scripts/gone.sh")
	f(run, "gcloud run deploy", "no gcloud")
	f(run, "make lint && make test", "more than one command")
	f(run, "|\n          make lint\n          make test", "more than one command")
	f(run, "make gone", "makes gone")
	f(run, "scripts/there.sh ${{ github.ref }}", "by env")
	f(hash, "v4", "no full commit hash")
	f(" # v4.2.2", "", "which version")
	f("permissions: {contents: read}\n", "", "no permissions")
	const rights = "    permissions: {id-token: write}\n    timeout-minutes: 5\n"
	f("    timeout-minutes: 5\n", rights, "")
	for _, on := range []string{"pull_request", "[push, pull_request]", "{pull_request: {branches: [main]}}"} {
		f("on: push\npermissions: {contents: read}\nconcurrency: {group: x}\njobs:\n  one:\n    timeout-minutes: 5\n",
			"on: "+on+"\npermissions: {contents: read}\nconcurrency: {group: x}\njobs:\n  one:\n"+rights, "when a pull request runs it")
	}
	f("{contents: read}", "{contents: write}", "may write contents")
	f("concurrency: {group: x}\n", "", "no concurrency group")
	f("    timeout-minutes: 5\n", "", "no timeout")
	f("{persist-credentials: false}", "{}", "persist-credentials")
	f("on: push", "on: pull_request_target", "stranger's fork")
	f("contents: read}", "contents: read}\nenv: {A: \"${{ secrets.KEY }}\"}", "secret")
	f("", "", "")
	f("jobs:\n", "jobs:\n  two:\n    uses: other/repo/.github/workflows/x.yml@main\n", "no full commit hash")
	f("jobs:\n", "jobs:\n  two:\n    uses: ./.github/workflows/gone.yml\n", "gone.yml")
}
