// Package scripts_test runs the scripts beside it with recording stand-ins for the programs that reach the world.
package scripts_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a folder of stand-ins, which come first in PATH, and the list of what was asked of them.
type world struct {
	t   *testing.T
	bin string
	log string
	env []string
}

func newWorld(t *testing.T, env ...string) *world {
	t.Helper()
	dir := t.TempDir()
	return &world{t: t, bin: dir, log: filepath.Join(dir, "log"), env: env}
}

// standIn makes a program that writes down how it was called and then does what body, a shell script, says.
func (w *world) standIn(name, body string) string {
	w.t.Helper()
	path := filepath.Join(w.bin, name)
	text := "#!/usr/bin/env bash\n{ printf '%s' " + name + "; printf ' %s' \"$@\"; echo; } >>'" + w.log + "'\n" + body + "\n"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// run starts a script in dir and returns its standard output, its errors and its exit status.
func (w *world) run(dir, script string, args ...string) (stdout, stderr string, status int) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), script, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+w.bin+":"+os.Getenv("PATH"), "GITHUB_OUTPUT=", "GITHUB_SHA=")
	cmd.Env = append(cmd.Env, w.env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must is run for what has to succeed; it returns the standard output.
func (w *world) must(dir, script string, args ...string) string {
	w.t.Helper()
	out, errs, status := w.run(dir, script, args...)
	if status != 0 {
		w.t.Fatalf("%s %s: exit status %d\n%s%s", script, strings.Join(args, " "), status, out, errs)
	}
	return out
}

// asked returns what was asked of the stand-ins since the last call.
func (w *world) asked() []string {
	w.t.Helper()
	b, err := os.ReadFile(w.log)
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	os.Remove(w.log)
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
