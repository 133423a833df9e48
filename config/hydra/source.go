package hydra

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// Source is one place on the search path: a tree of YAML files, where folders are
// groups and the files in them their options.
type Source struct {
	Provider string // who put it on the search path, for people to read
	Scheme   string // "file" for a folder
	Path     string
	FS       fs.FS
}

// Dir is the source of a folder.
func Dir(provider, path string) Source {
	return Source{Provider: provider, Scheme: "file", Path: path, FS: os.DirFS(path)}
}

func (s Source) String() string { return s.Scheme + "://" + s.Path }

// clean makes of a config path one that io/fs takes. Paths never lead out of the
// source.
func clean(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

func fileName(config string) string {
	if strings.HasSuffix(config, ".yaml") {
		return clean(config)
	}
	return clean(config + ".yaml")
}

func (s Source) isGroup(p string) bool {
	info, err := fs.Stat(s.FS, orDot(clean(p)))
	return err == nil && info.IsDir()
}

func orDot(p string) string {
	if p == "" {
		return "."
	}
	return p
}

func (s Source) isConfig(p string) bool {
	info, err := fs.Stat(s.FS, fileName(p))
	return err == nil && info.Mode().IsRegular()
}

// file is one config as it was read.
type file struct {
	node    *omegaconf.Node // without its defaults list
	pkg     string          // of its "# @package" line
	hasPkg  bool
	entries []entry // the defaults list
}

// repository finds configs on the search path and reads each one once.
type repository struct {
	sources []Source
	files   map[string]*file // nil: there is none of this name
}

// newRepository searches hydra's own configs, and then the sources.
func newRepository(sources []Source) *repository {
	return &repository{
		sources: append([]Source{builtinSource()}, sources...),
		files:   maps.Clone(builtinFiles()),
	}
}

// builtinFiles reads hydra's own configs once. Composing only copies from them.
var builtinFiles = sync.OnceValue(func() map[string]*file {
	files := map[string]*file{}
	s := builtinSource()
	err := fs.WalkDir(s.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(s.FS, p)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(p, ".yaml")
		files[name], err = parseFile(name, data)
		return err
	})
	if err != nil {
		panic("BUG: hydra's own configs are broken: " + err.Error())
	}
	return files
})

func (r *repository) groupExists(p string) bool {
	return slices.ContainsFunc(r.sources, func(s Source) bool { return s.isGroup(p) })
}

func (r *repository) configExists(p string) bool {
	if f, read := r.files[p]; read {
		return f != nil
	}
	return slices.ContainsFunc(r.sources, func(s Source) bool { return s.isConfig(p) })
}

// load reads a config; nil if there is none of this name.
func (r *repository) load(p string) (*file, error) {
	if f, read := r.files[p]; read {
		return f, nil
	}
	r.files[p] = nil
	for _, s := range r.sources {
		if !s.isConfig(p) {
			continue
		}
		data, err := fs.ReadFile(s.FS, fileName(p))
		if err != nil {
			return nil, fmt.Errorf("cannot read config %q: %w", p, err)
		}
		f, err := parseFile(p, data)
		if err != nil {
			return nil, fmt.Errorf("cannot use config %q of %s: %w", p, s, err)
		}
		r.files[p] = f
		return f, nil
	}
	return nil, nil
}

// options lists the configs of a group, or its groups, in alphabetical order.
func (r *repository) options(group string) []string { return r.list(group, false) }

func (r *repository) list(group string, groups bool) []string {
	var names []string
	for _, s := range r.sources {
		entries, err := fs.ReadDir(s.FS, orDot(clean(group)))
		if err != nil {
			continue
		}
		for _, e := range entries {
			name, p := e.Name(), path.Join(group, e.Name())
			switch {
			case name == "__pycache__" || name == "__init__.py":
			case groups && s.isGroup(p):
				names = append(names, name)
			case !groups && s.isConfig(p):
				if i := strings.LastIndexByte(name, '.'); i >= 0 {
					name = name[:i]
				}
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func parseFile(p string, data []byte) (*file, error) {
	f := &file{}
	var err error
	if f.pkg, f.hasPkg, err = packageHeader(data); err != nil {
		return nil, err
	}
	if f.node, err = omegaconf.Load(data); err != nil {
		return nil, err
	}
	if f.node.Kind() != omegaconf.Map {
		return f, nil
	}
	defaults := f.node.Get("defaults")
	if defaults == nil {
		return f, nil
	}
	if defaults.Kind() != omegaconf.List {
		return nil, errors.New("its defaults must be a list")
	}
	f.node.Remove("defaults")
	f.entries, err = parseEntries(defaults)
	return f, err
}

var headerLine = regexp.MustCompile(`^\s*#\s*@`)

// packageHeader reads the package of a line such as "# @package _global_", which
// stands before anything but blank lines and others of its kind, within the first
// 512 characters.
func packageHeader(data []byte) (pkg string, found bool, err error) {
	head := []rune(string(data[:min(len(data), 4*512)]))
	for _, line := range strings.Split(string(head[:min(len(head), 512)]), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if !headerLine.MatchString(line) {
			break
		}
		words := strings.FieldsFunc(strings.TrimLeft(line, "#"), func(r rune) bool { return r == ' ' })
		if len(words) != 2 {
			return "", false, fmt.Errorf("its header %q is not of the form # @package NAME", line)
		}
		if words[0] == "@package" {
			pkg, found = words[1], true
		}
	}
	return pkg, found, nil
}
