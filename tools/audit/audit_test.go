package audit_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// audit runs audit.sh and returns what it printed with its exit status.
func audit(t *testing.T, env []string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "./audit.sh", args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestFailures: only a public database that is out of reach passes, and not in silence.
func TestFailures(t *testing.T) {
	const (
		unreachable = `govulncheck: fetching vulnerabilities: Get "https://vuln.example/index/modules.json.gz": dial tcp: lookup vuln.example: no such host`
		refused     = `govulncheck: fetching vulnerabilities: unexpected status 403`
		broken      = `govulncheck: loading packages: dial tcp: this is about something else`
	)
	f := func(message, status, vulndb string, want int, shown string) {
		t.Helper()
		fake := filepath.Join(t.TempDir(), "govulncheck")
		if err := os.WriteFile(fake, []byte("#!/bin/sh\necho '"+message+"' >&2\nexit "+status+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		out, got := audit(t, []string{"GOVULNCHECK=" + fake, "VULNDB=" + vulndb})
		if got != want || !strings.Contains(out, shown) {
			t.Errorf("%q, status %s, VULNDB=%q: exit status %d, printed %q; want %d and %q", message, status, vulndb, got, out, want, shown)
		}
	}
	f("No vulnerabilities found.", "0", "", 0, "No vulnerabilities found.")
	f("Vulnerability #1", "3", "", 3, "Vulnerability #1")
	f(unreachable, "1", "", 0, "!!! NOT AUDITED")
	f(unreachable, "1", "https://vuln.example", 1, unreachable)
	f(refused, "1", "", 1, refused)
	f(broken, "1", "", 1, broken)
}
