// Package pages has the tests of what people read: each link of a page leads somewhere, and each code block is run, or checked as far
// as it can be here. CONTRIBUTING.md tells writers of pages what the tests want.
package pages

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// The names that the tests print are those from the root of the repository.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if programRoot != "" {
			os.RemoveAll(programRoot)
		}
		os.Exit(code)
	}))
}

// skip skips the test for that reason; with TORCHLIT_REQUIRE_ALL set it fails.
func skip(t *testing.T, reason ...any) {
	t.Helper()
	if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
		t.Fatal(reason...)
	}
	t.Skip(reason...)
}

// tracked are the files of the repository: those that git has, or would take.
var tracked = sync.OnceValues(func() ([]string, error) {
	// TestMain went to the root before go test began to note which files are read; without this it looks for them in the wrong folder,
	// and would answer from its cache whatever has changed.
	if err := os.Chdir("."); err != nil {
		return nil, err
	}
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot ask git which files there are: %w", err)
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	names = slices.DeleteFunc(names, func(name string) bool {
		_, err := os.Stat(name)
		return err != nil // deleted, and not committed yet
	})
	folders := map[string]bool{}
	for _, name := range names {
		folders[path.Dir(name)] = true
	}
	for folder := range folders {
		if _, err := os.ReadDir(folder); err != nil { // a file that is added counts as a change, too
			return nil, err
		}
	}
	return names, nil
})

func trackedFiles(t *testing.T) []string {
	t.Helper()
	names, err := tracked()
	if err != nil {
		skip(t, err)
	}
	return names
}

// inTree reports whether there is a file or a folder of this name.
func inTree(names []string, name string) bool {
	name = path.Clean(name)
	return name == "." || slices.ContainsFunc(names, func(n string) bool { return n == name || strings.HasPrefix(n, name+"/") })
}

// notPages are read by programs, or are what a test expects of one.
var notPages = []string{".github/PULL_REQUEST_TEMPLATE.md", "report/card.md"}

func pageNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, name := range trackedFiles(t) {
		if path.Ext(name) == ".md" && !strings.Contains("/"+name, "/testdata/") && !slices.Contains(notPages, name) {
			names = append(names, name)
		}
	}
	return names
}

var pages = sync.OnceValues(func() (map[string]*page, error) {
	names, err := tracked()
	if err != nil {
		return nil, err
	}
	all := map[string]*page{}
	for _, name := range names {
		if path.Ext(name) != ".md" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all[name] = parse(name, string(text))
	}
	return all, nil
})

// allPages returns the pages that are checked, in order.
func allPages(t *testing.T) []*page {
	t.Helper()
	all, err := pages()
	if err != nil {
		skip(t, err)
	}
	var out []*page
	for _, name := range pageNames(t) {
		out = append(out, all[name])
	}
	return out
}
