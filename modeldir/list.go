package modeldir

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// Entry is one version of one model in a models directory.
type Entry struct {
	Name    string // as in URLs and metrics
	Version string // a whole number from 1, in decimal
	Dir     string
}

// BadEntry is one of the errors that List joins: what stands in the way of one model, or of one version of it.
type BadEntry struct {
	Name    string
	Version string // "" when it is about the model as a whole
	Dir     string
	Err     error
}

// Error implements error.
func (e *BadEntry) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *BadEntry) Unwrap() error { return e.Err }

// validName is what may stand in a URL's path without escapes.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// CheckName returns an error that says which names a model may have, unless name is one.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("%q is no model name: it begins with a letter or digit and has letters, digits, '.', '_' and '-' only, 128 at most", name)
	}
	return nil
}

// List finds the model folders under root, ordered by name and then by version
// number. root may be
//
//	a models directory, with folders <name>/<version>/ or <name>/ (version 1),
//	one model's directory, with folders <version>/,
//	a single model folder, which is version 1 of the model of its own name.
//
// Plain files and hidden folders are passed over; links are followed. Anything
// else is an error. List does not open the folders: that a folder's content is
// sound is [Open]'s word. Entries that are right are returned beside the
// errors about others, each a [*BadEntry], so that one bad folder need not stop
// a running server.
func List(root string) ([]Entry, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("cannot list models: %w", err)
	}
	names, err := subfolders(root)
	if err != nil {
		return nil, fmt.Errorf("cannot list models: %w", err)
	}
	if isModel(root, names) {
		return listModel(root, filepath.Base(abs))
	}
	var list []Entry
	var errs []error
	for _, name := range names {
		entries, err := listModel(filepath.Join(root, name), name)
		list = append(list, entries...)
		errs = append(errs, err)
	}
	if len(names) == 0 {
		errs = append(errs, fmt.Errorf("cannot find a model in %q: it has no folders; put a model folder at %s",
			root, filepath.Join(root, "<name>", "1")))
	}
	return list, errors.Join(errs...)
}

// ListAs finds the one model that root holds, as [List] does, and calls it name instead of by its folder. It is for
// places where the folder's name is not for the owner of the model to choose. root may be one model's directory or a single
// model folder; a models directory is an error.
func ListAs(root, name string) ([]Entry, error) {
	if err := CheckName(name); err != nil {
		return nil, fmt.Errorf("cannot serve %q: %w", root, err)
	}
	names, err := subfolders(root)
	if err != nil {
		return nil, fmt.Errorf("cannot list models: %w", err)
	}
	if !isModel(root, names) {
		return nil, fmt.Errorf("cannot serve %q as %q: it is neither a model folder nor has one in a version folder such as %q; "+
			"name the folder of one model, or let models have their folders' names", root, name, "1")
	}
	return listModel(root, name)
}

// isModel is whether root, which has these folders in it, is one model's, and no directory of models.
func isModel(root string, names []string) bool {
	return isFolder(root) || slices.ContainsFunc(names, func(n string) bool { return isVersion(n) && isFolder(filepath.Join(root, n)) })
}

// listModel lists the versions of the model in dir.
func listModel(dir, name string) ([]Entry, error) {
	bad := func(version, dir string, err error) error { return &BadEntry{name, version, dir, err} }
	if !validName.MatchString(name) {
		return nil, bad("", dir, fmt.Errorf("cannot serve %q: %q is no model name; rename the folder with letters, digits, '.', '_' and '-' only", dir, name))
	}
	versions, err := subfolders(dir)
	if err != nil {
		return nil, bad("", dir, fmt.Errorf("cannot list versions: %w", err))
	}
	if isFolder(dir) {
		if i := slices.IndexFunc(versions, func(v string) bool { return isFolder(filepath.Join(dir, v)) }); i >= 0 {
			return nil, bad("", dir, fmt.Errorf("cannot tell the versions of %q: it is a model folder and has one in %q; move its own files to a folder %q",
				dir, versions[i], "1"))
		}
		return []Entry{{Name: name, Version: "1", Dir: dir}}, nil
	}
	var list []Entry
	var errs []error
	for _, v := range versions {
		path := filepath.Join(dir, v)
		switch {
		case !isVersion(v):
			errs = append(errs, bad(v, path, fmt.Errorf("cannot serve %q: %q is no version; rename the folder to a whole number from 1, or hide it with a dot", path, v)))
		case !isFolder(path):
			errs = append(errs, bad(v, path, fmt.Errorf("cannot serve %q: it has neither %s nor weights; remove it or complete it", path, ConfigFile)))
		default:
			list = append(list, Entry{Name: name, Version: v, Dir: path})
		}
	}
	if len(versions) == 0 {
		errs = append(errs, bad("", dir, fmt.Errorf("cannot serve %q: it has no %s, no weights and no version folders; remove it or put the model into %s",
			dir, ConfigFile, filepath.Join(dir, "1"))))
	}
	slices.SortFunc(list, func(a, b Entry) int {
		// Canonical decimals of different length differ by that; so no number is too large.
		return cmp.Or(cmp.Compare(len(a.Version), len(b.Version)), cmp.Compare(a.Version, b.Version))
	})
	return list, errors.Join(errs...)
}

// isVersion is whether name is a whole number from 1 in its only spelling.
func isVersion(name string) bool {
	n, err := strconv.ParseUint(name, 10, 63)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == name
}

// isFolder is whether dir is meant as a model folder: it has a configuration or
// weights. Having one alone counts, so that [Open] can say what is missing.
func isFolder(dir string) bool {
	if hasConfig(dir) {
		return true
	}
	_, err := findWeights(dir)
	return err == nil || errors.Is(err, errManyWeights)
}

func hasConfig(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, ConfigFile))
	return err == nil && info.Mode().IsRegular()
}

// subfolders are the names of dir's visible folders, links included, in order.
func subfolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err // a dangling link, say: better told than passed over
		}
		if info.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
