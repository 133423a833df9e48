// Package gce_test runs the scripts of this folder with stand-ins for gcloud and for what a VM has.
package gce_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain is also every stand-in: PATH leads to small scripts that start this program with the name of what it is to be. The race
// detector sleeps for a second at the end of each, unless it is told not to.
func TestMain(m *testing.M) {
	if name := os.Getenv("STANDIN"); name != "" {
		os.Exit(standIn(name, os.Getenv("STANDIN_STATE"), os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

func standIn(name, dir string, args []string) int {
	record(dir, name, args)
	if message := failure(dir, name, args); message != "" {
		fmt.Fprintln(os.Stderr, message)
		return 1
	}
	if name == "gcloud" {
		return (&cloud{dir: dir}).gcloud(args)
	}
	return vm{dir}.command(name, args)
}

// record appends the command to the log, quoted as the scripts quote what they show.
func record(dir, name string, args []string) {
	line := name
	for _, a := range args {
		line += " " + quote(a)
	}
	f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, line)
}

func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// failure takes the first line of the file "fail" whose beginning, up to a tab, is in the command: what it says, so often.
func failure(dir, name string, args []string) string {
	text, _ := os.ReadFile(filepath.Join(dir, "fail"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, line := range lines {
		pattern, message, ok := strings.Cut(line, "\t")
		if ok && strings.Contains(name+" "+strings.Join(args, " "), pattern) {
			rest := append(append([]string{}, lines[:i]...), lines[i+1:]...)
			if err := os.WriteFile(filepath.Join(dir, "fail"), []byte(strings.Join(rest, "\n")), 0o600); err != nil {
				panic(err)
			}
			return message
		}
	}
	return ""
}

// bench is a folder with the stand-ins' state, and the environment in which scripts find them.
type bench struct {
	t   *testing.T
	dir string
	env []string
}

func newBench(t *testing.T, standIns ...string) *bench {
	t.Helper()
	if out, err := exec.Command("bash", "-c", "((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404))").CombinedOutput(); err != nil {
		if os.Getenv("TORCHLIT_REQUIRE_ALL") != "" {
			t.Fatalf("bash 4.4 or later is needed: %v %s", err, out)
		}
		t.Skip("bash 4.4 or later is needed, which macOS has not")
	}
	b := &bench{t: t, dir: t.TempDir()}
	bin := filepath.Join(b.dir, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	self, err := os.Executable()
	require.NoError(t, err)
	for _, name := range standIns {
		script := fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 STANDIN=%s STANDIN_STATE='%s' exec '%s' \"$@\"\n", name, b.dir, self)
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700))
	}
	b.env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + b.dir, "TMPDIR=" + b.dir, "PROJECT=my-project",
		"GITHUB_REPOSITORY=owner/name", "TRAIN_DATA=", "TRAIN_POLL=0"}
	return b
}

// run starts a script of this folder and returns what it printed on either stream, and its exit status.
func (b *bench) run(script string, args ...string) (stdout, stderr string, status int) {
	b.t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(b.t.Context(), "bash", append([]string{script}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = b.env, &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs a script that has to succeed.
func (b *bench) must(script string, args ...string) string {
	b.t.Helper()
	out, errs, status := b.run(script, args...)
	require.Zero(b.t, status, "%s %q: %s", script, args, errs)
	return out + errs
}

// fails makes the next command that has the words in it fail.
func (b *bench) fails(words, message string) {
	b.t.Helper()
	text, _ := os.ReadFile(filepath.Join(b.dir, "fail"))
	b.write("fail", string(text)+words+"\t"+message+"\n")
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	require.NoError(b.t, os.MkdirAll(filepath.Dir(filepath.Join(b.dir, name)), 0o700))
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600))
}

// read is a file of the state, and nothing where there is none.
func (b *bench) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(b.dir, name))
	return strings.TrimSpace(string(text))
}

// log takes the commands that were recorded since the last time.
func (b *bench) log() []string {
	b.t.Helper()
	text := b.read("log")
	require.NoError(b.t, os.RemoveAll(filepath.Join(b.dir, "log")))
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// changes are those of the commands that are no questions.
func changes(log []string) []string {
	var out []string
	for _, line := range log {
		if strings.HasSuffix(line, " --quiet") {
			out = append(out, line)
		}
	}
	return out
}
