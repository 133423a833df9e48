//go:build interop

package audit_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestInteropGovulncheck has one advisory, made up, about a function that testdata/caller calls.
func TestInteropGovulncheck(t *testing.T) {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	f := func(database string, fails bool, shown string) {
		t.Helper()
		out, status := audit(t, []string{"VULNDB=file://" + filepath.Join(dir, database)}, "./testdata/caller")
		if (status != 0) != fails || !strings.Contains(out, shown) {
			t.Errorf("database %q: exit status %d, printed\n%s", database, status, out)
		}
	}
	f("one", true, "caller.main calls errgroup.Group.Go")
	f("empty", false, "No vulnerabilities found.")
	f("missing", true, "")
}
