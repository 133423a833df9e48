package scripts_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"gopkg.in/yaml.v3"
)

func TestCommentGoesToThePullRequest(t *testing.T) {
	w := newWorld(t)
	report := write(t, filepath.Join(t.TempDir(), "report.md"), "it is better\n")
	f := func(gh string, status int, asked ...string) {
		t.Helper()
		w.standIn("gh", gh)
		_, _, got := w.run(".", "./comment-pr.sh", "better/model", report)
		assert.Equal(t, status, got)
		assert.Equal(t, asked, w.asked())
	}
	list := "gh pr list --head better/model --state open --limit 1 --json number --jq .[].number"
	comment := "gh pr comment 12 --edit-last --create-if-none --body-file " + report
	f("[ $2 = list ] && echo 12; true", 0, list, comment)
	f("", 0, list)
	f("exit 4", 4, list)
	f("[ $2 = list ] && echo 12 || exit 1", 1, list, comment)

	_, errs, status := w.run(".", "./comment-pr.sh", "better/model", filepath.Join(t.TempDir(), "gone"))
	assert.NotZero(t, status)
	assert.Contains(t, errs, "empty or not there")
}

type label struct{ Name, Color, Description string }

func labels(t *testing.T) []label {
	t.Helper()
	var all []label
	if err := json.Unmarshal([]byte(read(t, "../.github/labels.json")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLabelsAreApplied(t *testing.T) {
	w := newWorld(t)
	w.standIn("gh", "cat >/dev/null") // what reads standard input must not get the labels that are left
	w.must("/", absolute(t, "labels.sh"))
	var want []string
	for _, l := range labels(t) {
		want = append(want, "gh label create "+l.Name+" --color "+l.Color+" --description "+l.Description+" --force")
	}
	assert.Equal(t, want, w.asked())

	w.standIn("gh", "exit 1")
	_, _, status := w.run(".", "./labels.sh")
	assert.NotZero(t, status)
}

// TestLabelsExist: GitHub leaves out a label that a template names and the repository lacks, without a word.
func TestLabelsExist(t *testing.T) {
	known := map[string]bool{}
	for _, l := range labels(t) {
		assert.False(t, known[l.Name], "%s is there twice", l.Name)
		known[l.Name] = true
		assert.Regexp(t, `^[0-9a-f]{6}$`, l.Color, l.Name)
		assert.LessOrEqual(t, len(l.Description), 100, "GitHub takes no longer description of %s", l.Name)
	}
	f := func(pattern string, named func(text string) []string) {
		t.Helper()
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no such file (%v)", pattern, err)
		}
		for _, file := range files {
			for _, l := range named(read(t, file)) {
				assert.True(t, known[l], "%s names the label %s, which .github/labels.json lacks", file, l)
			}
		}
	}
	f("../.github/ISSUE_TEMPLATE/[bfp]*.yml", func(text string) []string {
		var form struct{ Labels []string }
		assert.NoError(t, yaml.Unmarshal([]byte(text), &form))
		return form.Labels
	})
	f("../.github/release.yml", func(text string) []string {
		var notes struct {
			Changelog struct {
				Exclude    struct{ Labels []string }
				Categories []struct{ Labels []string }
			}
		}
		assert.NoError(t, yaml.Unmarshal([]byte(text), &notes))
		all := notes.Changelog.Exclude.Labels
		assert.NotEmpty(t, notes.Changelog.Categories)
		for _, c := range notes.Changelog.Categories {
			for _, l := range c.Labels {
				if l != "*" {
					all = append(all, l)
				}
			}
		}
		return all
	})
	f("../.github/renovate.json", func(text string) []string {
		var config struct{ Labels []string }
		assert.NoError(t, json.Unmarshal([]byte(text), &config))
		return config.Labels
	})
}

// TestRenovateFindsWhatIsPinned: a pattern that finds nothing any more would leave its versions to age unseen.
func TestRenovateFindsWhatIsPinned(t *testing.T) {
	var config struct {
		CustomManagers []struct {
			Description         string
			ManagerFilePatterns []string
			MatchStrings        []string
			DatasourceTemplate  string
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../.github/renovate.json")), &config); err != nil {
		t.Fatal(err)
	}
	samples := map[string]map[string]string{ // datasource, file, a dependency that has to be found there
		"npm": {"server/axe_interop_test.go": "axe-core"},
		"go": {"Makefile": "github.com/rhysd/actionlint", "tools/audit/audit.sh": "golang.org/x/vuln", "scripts/image.sh": "github.com/sigstore/cosign/v3",
			"docker/cpu/Dockerfile":     "golang.org/x/tools/gopls",
			"tools/kubernetes/tools.sh": "sigs.k8s.io/kustomize/kustomize/v5", "tools/kubernetes/schemas/main.go": "github.com/kserve/kserve"},
		"docker": {"docker/cpu/Dockerfile": "docker.io/library/golang"},
	}
	seen := 0
	for _, m := range config.CustomManagers {
		for file, want := range samples[m.DatasourceTemplate] {
			seen++
			matches := false
			for _, p := range m.ManagerFilePatterns {
				matches = matches || regexp.MustCompile(p[1:len(p)-1]).MatchString(file)
			}
			assert.True(t, matches, "%s: %s is looked at by none of %q", m.Description, file, m.ManagerFilePatterns)
			var found []string
			for _, s := range m.MatchStrings {
				re := regexp.MustCompile(s)
				for _, match := range re.FindAllStringSubmatch(read(t, "../"+file), -1) {
					assert.NotEmpty(t, match[re.SubexpIndex("currentValue")], match[0])
					found = append(found, match[re.SubexpIndex("depName")])
				}
			}
			assert.Contains(t, found, want, m.Description)
		}
	}
	assert.Equal(t, 8, seen)
}

// TestCodeOwners: a line for a folder that has moved asks nobody.
func TestCodeOwners(t *testing.T) {
	lines := 0
	for line := range strings.Lines(read(t, "../.github/CODEOWNERS")) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		lines++
		for _, owner := range fields[1:] {
			assert.Regexp(t, `^@[A-Za-z0-9-]+(/[A-Za-z0-9-]+)?$`, owner, line)
		}
		if fields[0] == "*" {
			continue
		}
		_, err := os.Stat("../" + fields[0])
		assert.NoError(t, err)
	}
	assert.Greater(t, lines, 5)
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
