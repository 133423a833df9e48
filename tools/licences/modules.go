package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Module is one that ends in the binary.
type Module struct {
	Path, Version string
	Dir           string   // in the module cache
	Licences      []string // sorted; all of them apply
}

// platforms are those that torch/LIBTORCH has libraries for: their binaries hold different modules.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/arm64"}

// modules lists what the binary of package pkg holds on any of the platforms, sorted. The
// licences are not read yet. go fetches the modules that are not in its cache.
func modules(ctx context.Context, root, pkg string) ([]Module, error) {
	var all []Module
	for _, p := range platforms {
		goos, goarch, _ := strings.Cut(p, "/")
		cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f",
			"{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", pkg)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("cannot list the modules of %q for %s: %w\n%s", pkg, p, err, stderr.Bytes())
		}
		for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
			if f := strings.Split(sc.Text(), "\t"); len(f) == 3 {
				all = append(all, Module{Path: f[0], Version: f[1], Dir: f[2]})
			}
		}
	}
	slices.SortFunc(all, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(all, func(a, b Module) bool { return a.Path == b.Path }), nil
}

var licenceFile = regexp.MustCompile(`(?i)^(un)?licen[sc]e|^copying`)

// read finds the licences of a module in the files at its top. Every file of them has to be recognized and allowed.
func (m *Module) read() error {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return fmt.Errorf("cannot read the licence of module %s: %w", m.Path, err)
	}
	m.Licences = nil
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || notLicences.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return fmt.Errorf("cannot read the licence of module %s: %w", m.Path, err)
		}
		found := classify(text)
		if len(found) == 0 {
			return fmt.Errorf("module %s: the licence in its file %s is not known: read it, and add it to tools/licences/classify.go if it may be used", m.Path, e.Name())
		}
		for _, l := range found {
			if !slices.Contains(allowed, l) {
				return fmt.Errorf("module %s: its file %s holds the licence %s, which is not allowed: do without the module", m.Path, e.Name(), l)
			}
		}
		m.Licences = append(m.Licences, found...)
	}
	if len(m.Licences) == 0 {
		return fmt.Errorf("module %s has no licence file: nobody may use it", m.Path)
	}
	slices.Sort(m.Licences)
	m.Licences = slices.Compact(m.Licences)
	return nil
}

// licensed reads the licences of all, and returns every error there is.
func licensed(all []Module) error {
	var errs []error
	for i := range all {
		errs = append(errs, all[i].read())
	}
	return errors.Join(errs...)
}
