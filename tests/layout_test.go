package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// layout is where whoever knows the cookiecutters of machine learning looks for things. A folder is there with anything in it.
var layout = []string{
	"LICENSE", "Makefile", "README.md", "configs", "data/README.md", "data/processed", "data/raw", "docs/index.md", "docs/mkdocs.yml", "docs/source",
	"models/README.md", "notebooks", "reports/README.md", "reports/figures",
	"requirements.txt", "requirements_dev.txt", "tests/README.md",
}

// TestLayout: a clone has all of them.
func TestLayout(t *testing.T) {
	tracked := gitFiles(t)
	for _, want := range layout {
		if !slices.ContainsFunc(tracked, func(name string) bool { return within(name, want) }) {
			t.Errorf("git has no %s", want)
		}
	}
}

// TestDataStaysOut: of the data sets' folders git has the folders alone.
func TestDataStaysOut(t *testing.T) {
	for _, name := range gitFiles(t) {
		if (within(name, "data/raw") || within(name, "data/processed")) && path.Base(name) != ".gitkeep" {
			t.Errorf("git has %s: data are fetched by make data, or kept by DVC", name)
		}
	}
	for _, name := range []string{"data/raw/cifar-10-binary.tar.gz", "data/processed/cifar10/test/cat/0000.png"} {
		if err := exec.CommandContext(t.Context(), "git", "check-ignore", "--quiet", name).Run(); err != nil {
			t.Errorf("git does not ignore %s: %v", name, err)
		}
	}
}

// TestNotebooksHaveNoOutputs: what a notebook prints belongs to whoever ran it, and hides in a diff what was changed.
func TestNotebooksHaveNoOutputs(t *testing.T) {
	found := 0
	for _, f := range textFiles(t) {
		if path.Ext(f.name) != ".ipynb" {
			continue
		}
		found++
		var notebook struct {
			Cells []struct {
				ID      string            `json:"id"`
				Type    string            `json:"cell_type"`
				Count   *int              `json:"execution_count"`
				Outputs []json.RawMessage `json:"outputs"`
			} `json:"cells"`
		}
		if err := json.Unmarshal([]byte(f.text), &notebook); err != nil {
			t.Errorf("%s: %v", f.name, err)
			continue
		}
		if len(notebook.Cells) == 0 || notebook.Cells[0].Type != "markdown" {
			t.Errorf("%s: it does not begin with words about what it is", f.name)
		}
		for _, c := range notebook.Cells {
			if c.Count != nil || len(c.Outputs) > 0 {
				t.Errorf("%s: cell %s has outputs: python -m nbconvert --clear-output --inplace %[1]s", f.name, c.ID)
			}
		}
	}
	if found < 2 {
		t.Errorf("only %d notebooks were found: this test looks for them in the wrong place", found)
	}
}

// gitFiles are the files that a clone has.
func gitFiles(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z").Output()
	if err != nil {
		const reason = "this is no clone: git ls-files does not work here"
		if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}
