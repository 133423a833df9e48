package pages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is torchlit as "make build" builds it, with all that it looks for around it. It is built here, so that pages are held to this
// code and not to that of the last build; torchlit's own tests need none, being torchlit themselves.
var program = sync.OnceValues(func() (string, error) {
	root, err := os.MkdirTemp("", "torchlit-pages-")
	if err != nil {
		return "", err
	}
	programRoot = root
	here, err := os.Getwd()
	if err != nil {
		return root, err
	}
	for _, name := range []string{".deps", "models", "configs"} {
		if err := os.Symlink(filepath.Join(here, name), filepath.Join(root, name)); err != nil {
			return root, err
		}
	}
	binary := filepath.Join(root, "bin", "torchlit")
	if out, err := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "./cmd/torchlit").CombinedOutput(); err != nil {
		return root, fmt.Errorf("cannot build torchlit: %w\n%s", err, out)
	}
	return root, nil
})

// programRoot is removed by TestMain.
var programRoot string

// torchlit runs the program in an empty folder, and returns what it prints.
func torchlit(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(root, "bin", "torchlit"), args...)
	cmd.Dir = t.TempDir()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", errors.New(strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// answers keeps what the program said: pages ask the same again and again.
var answers sync.Map

func ask(t *testing.T, args ...string) (string, error) {
	t.Helper()
	type answer struct {
		out string
		err error
	}
	key := strings.Join(args, "\x00")
	if a, ok := answers.Load(key); ok {
		return a.(answer).out, a.(answer).err
	}
	out, err := torchlit(t, args...)
	answers.Store(key, answer{out, err})
	return out, err
}

// checkTorchlit has the program read its own flags: with --help it does so before it does nothing else.
func checkTorchlit(t *testing.T, args []string) []string {
	args = slices.Clone(args)
	var inner []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, inner = args[:i], args[i+1:]
	}
	for i := len(args) - 1; i >= 0; i-- {
		switch {
		case args[i] != "…":
		case i > 0 && strings.HasPrefix(args[i-1], "-"):
			args[i] = unknown
		default: // and so on
			args = slices.Delete(args, i, i+1)
		}
	}
	if len(args) == 0 {
		return nil
	}
	at := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") })
	if at < 0 {
		at = len(args)
	}
	// Arguments are not told from flags' values here: both are left as they are, and what is no flag is not looked at.
	help, err := ask(t, slices.Concat(commandOf(args[:at]), []string{"--help"}, args[at:])...)
	var bad []string
	switch {
	case err != nil && placeholder.MatchString(err.Error()):
	case err != nil:
		bad = append(bad, err.Error())
	case at > 0 && !strings.Contains(help, "torchlit "+args[0]):
		bad = append(bad, fmt.Sprintf("torchlit has no command %q", args[0]))
	case at > 1 && strings.Contains(help, "\n  torchlit "+args[0]+" [command]"):
		bad = append(bad, fmt.Sprintf("torchlit %s has no command %q", args[0], args[1]))
	}
	if len(bad) == 0 {
		bad = append(bad, checkOverrides(t, args[0], args[1:])...)
	}
	if len(inner) > 0 {
		bad = append(bad, checkTorchlit(t, inner)...)
	}
	return bad
}

// unknown stands for a value that only the reader knows.
const unknown = "1"

// placeholder is the complaint about such a value, or about a capital in its place.
var placeholder = regexp.MustCompile(`invalid argument "(?:` + unknown + `|[A-Z]+)"`)

// commandOf leaves out arguments, which have nothing to do with flags.
func commandOf(args []string) []string { return args[:min(len(args), 2)] }

// checkOverrides composes settings of a training, as "train key=value" and deploy/gce/train.sh take them. Folders of runs are not there.
func checkOverrides(t *testing.T, name string, args []string) []string {
	if !slices.Contains([]string{"train", "tune", "deploy/gce/train.sh"}, name) {
		return nil
	}
	var overrides, bad []string
	sweep := slices.Contains(args, "-m") || slices.Contains(args, "--multirun")
	for _, a := range args {
		key, value, ok := strings.Cut(a, "=")
		if !ok || strings.HasPrefix(a, "-") || key == "resume" {
			continue
		}
		if sweep {
			value = firstChoice(value)
		}
		overrides = append(overrides, key+"="+strings.ReplaceAll(value, "…", "x"))
	}
	if len(overrides) > 0 {
		if _, err := ask(t, slices.Concat([]string{"train"}, overrides, []string{"--cfg", "job"})...); err != nil {
			bad = append(bad, err.Error())
		}
	}
	return bad
}

var sweeper = regexp.MustCompile(`^(?:range|choice)\(([^,)]*)`)

// firstChoice is the first of the values that a sweep runs through.
func firstChoice(value string) string {
	if m := sweeper.FindStringSubmatch(value); m != nil {
		return m[1]
	}
	if strings.ContainsAny(value, `[{'"`) {
		return value
	}
	first, _, _ := strings.Cut(value, ",")
	return first
}
