// Package hydra composes configurations as hydra 1.3 does: from YAML files in groups,
// by their defaults lists, and by overrides such as "optim=adamw optim.lr=0.1".
//
// A [Loader] knows where the files are. It makes a [Job] of a command line, with the
// run folder and the .hydra folder in it that hydra's users know, or a [Sweep] of
// several. The facts come from hydra's published documentation, grammar and sources;
// the tests with build tag interop compare this package with the real one, on what
// it accepts and on what comes out.
package hydra

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/torchlit/torchlit/config/omegaconf"
)

// Mode is whether one job runs or several.
type Mode string

// The modes.
const (
	Run      Mode = "RUN"
	Multirun Mode = "MULTIRUN"
)

// Loader composes configurations. Its methods may be called from several goroutines
// at once.
type Loader struct {
	// Sources are searched in this order, behind hydra's own.
	Sources []Source
	// Name is the primary config, such as "train"; "" for none.
	Name string
	// Primary is the primary config's content, for one that is no file of a source.
	Primary []byte
	// Base is merged before everything but hydra's own configuration: the keys that
	// exist, with their defaults and types. nil: files say which keys exist.
	Base *omegaconf.Node
	// Job is what hydra.job.name is if nothing sets it.
	Job string
	// RunDir and SweepDir are what hydra.run.dir and hydra.sweep.dir are if nothing
	// sets them, such as "runs/${now:%Y-%m-%d}"; "" for hydra's own.
	RunDir, SweepDir string
	// Now is what ${now:…} writes. Zero: the time of the call.
	Now time.Time
}

// Config is what a composition gives.
type Config struct {
	Tree     *omegaconf.Node // with hydra's own configuration at "hydra"
	Defaults []Default       // in the order in which they were merged
	tree     *treeNode
	now      time.Time
}

// emptyConfig stands for a primary config that there is none of.
const emptyConfig = "_dummy_empty_config_"

// Compose composes the configuration of a command line. In mode Multirun, overrides
// that are sweeps are left out; in mode Run they are errors.
func (l *Loader) Compose(overrides []string, mode Mode) (*Config, error) {
	parsed, err := ParseOverrides(overrides)
	if err != nil {
		return nil, err
	}
	if err := checkSweeps(parsed, mode); err != nil {
		return nil, err
	}
	repo, name, err := l.repository(parsed)
	if err != nil {
		return nil, err
	}
	picked, err := newChoices(repo, parsed)
	if err != nil {
		return nil, err
	}
	root, defaults, err := buildDefaults(repo, picked, name, mode == Multirun)
	if err != nil {
		return nil, err
	}
	if l.Name == "" && l.Primary == nil {
		defaults = slices.DeleteFunc(defaults, func(d Default) bool { return d.Config == emptyConfig })
	}
	cfg := &Config{Defaults: defaults, tree: root, now: l.now()}
	if cfg.Tree, err = l.merge(repo, defaults, cfg.now); err != nil {
		return nil, err
	}
	for _, o := range picked.values {
		if err := l.apply(o, cfg.Tree); err != nil {
			return nil, fmt.Errorf("cannot use override %q: %w", o.Line, err)
		}
	}
	return cfg, l.fillHydra(cfg.Tree, parsed, picked, repo)
}

func checkSweeps(overrides []*Override, mode Mode) error {
	for _, o := range overrides {
		switch {
		case !o.IsSweep():
		case mode == Multirun && o.IsHydra():
			return fmt.Errorf("cannot use override %q: hydra's own configuration cannot be swept over", o.Line)
		case mode == Run:
			if c, ok := o.Value.(*Choice); ok && c.Simple {
				return fmt.Errorf("cannot use override %q: to sweep over the values add --multirun, to give a list write key=[a,b], and for text with a comma key=\"'a,b'\"", o.Line)
			}
			return fmt.Errorf("cannot use override %q: to sweep over the values add --multirun", o.Line)
		}
	}
	return nil
}

// repository opens the search path; hydra.searchpath, in the primary config or among
// the overrides, adds to it.
func (l *Loader) repository(overrides []*Override) (*repository, string, error) {
	repo := newRepository(append([]Source{builtinSource()}, l.Sources...))
	name := l.Name
	if name == "" {
		name = emptyConfig
	}
	switch {
	case l.Primary != nil:
		f, err := parseFile(name, l.Primary)
		if err != nil {
			return nil, "", fmt.Errorf("cannot use config %q: %w", name, err)
		}
		repo.files[name] = f
	case l.Name == "":
		repo.files[name] = &file{node: omegaconf.NewMap()}
	}
	f, err := repo.load(name)
	if err != nil || f == nil {
		return repo, name, err
	}
	if f.node.Kind() != omegaconf.Map {
		return nil, "", fmt.Errorf("cannot use config %q: the primary config must be a mapping", name)
	}
	search, err := f.node.Select("hydra.searchpath")
	if err != nil {
		return nil, "", err
	}
	for _, o := range overrides {
		if o.KeyElement() == "hydra.searchpath" && o.Value != nil {
			if search, err = omegaconf.New(o.plain()); err != nil {
				return nil, "", err
			}
			break
		}
	}
	if search == nil || search.IsNull() {
		return repo, name, nil
	}
	const advice = "hydra.searchpath must be a list of folders"
	if search.Kind() != omegaconf.List {
		return nil, "", errors.New(advice)
	}
	for _, item := range search.Items() {
		dir, ok := item.Text()
		scheme, path, hasScheme := strings.Cut(dir, "://")
		switch {
		case !ok:
			return nil, "", errors.New(advice)
		case !hasScheme:
			path = dir
		case scheme != "file":
			return nil, "", fmt.Errorf("cannot search %q: %s", dir, advice)
		}
		repo.sources = append(repo.sources, Dir("hydra.searchpath in main", path))
	}
	return repo, name, nil
}

// merge merges the configs of the final defaults list, each at its package.
func (l *Loader) merge(repo *repository, defaults []Default, now time.Time) (*omegaconf.Node, error) {
	tree := omegaconf.NewMap()
	tree.SetScope(&omegaconf.Scope{Now: now})
	for _, d := range defaults {
		f, err := repo.load(d.Config)
		if err != nil {
			return nil, err
		}
		embedded, err := atPackage(f.node, d.Package)
		if err != nil {
			return nil, fmt.Errorf("cannot use config %q at package %q: %w", d.Config, d.Package, err)
		}
		if !d.primary && d.Config != "hydra/config" && embedded.Kind() == omegaconf.Map {
			if found, _ := embedded.Select("hydra.searchpath"); found != nil && !found.IsNull() {
				return nil, fmt.Errorf("in config %q: hydra.searchpath can be set in the primary config only", d.Config)
			}
		}
		if err := tree.Merge(embedded); err != nil {
			return nil, fmt.Errorf("in config %q: %w", d.Config, suggest(err, tree, ""))
		}
		if d.Config == "hydra/config" {
			h := tree.Get("hydra")
			h.Demand(hydraType)
			if err := errors.Join(setDir(h, "run.dir", l.RunDir), setDir(h, "sweep.dir", l.SweepDir)); err != nil {
				return nil, err
			}
			if l.Base != nil {
				if err := tree.Merge(l.Base); err != nil {
					panic("BUG: the base config does not fit: " + err.Error())
				}
				tree.Demand(withHydra(l.Base.Type()))
			}
		}
	}
	return tree, nil
}

// withHydra is a base config's type, which takes the key hydra, too.
func withHydra(t *omegaconf.Type) *omegaconf.Type {
	if t == nil || t.Fields == nil {
		return t
	}
	both := *t
	both.Fields = maps.Clone(t.Fields)
	both.Fields["hydra"] = hydraType
	return &both
}

func setDir(h *omegaconf.Node, key, dir string) error {
	if dir == "" {
		return nil
	}
	return h.Update(key, dir, false)
}

func atPackage(n *omegaconf.Node, pkg string) (*omegaconf.Node, error) {
	if pkg == "" {
		return n, nil
	}
	tree := omegaconf.NewMap()
	return tree, tree.Update(pkg, n, true)
}

func (l *Loader) now() time.Time {
	if l.Now.IsZero() {
		return time.Now()
	}
	return l.Now
}

// apply changes a value of the tree.
func (l *Loader) apply(o *Override, tree *omegaconf.Node) error {
	if o.HasPkg {
		return fmt.Errorf("there is no config group %q", o.Key)
	}
	value := o.plain()
	switch o.Op {
	case Delete:
		return suggest(tree.Delete(o.Key, value), tree, o.Key)
	case ForceAdd:
		return tree.Update(o.Key, value, true)
	case Add:
		there, err := tree.Select(o.Key)
		if err != nil {
			return err
		}
		switch value.(type) {
		case []any, omegaconf.Dict:
		default:
			if there != nil && !there.IsNull() && !there.IsMissing() {
				return fmt.Errorf("%q is there already: leave out the + to change it, or write ++ to add or change it", o.Key)
			}
		}
		return tree.Update(o.Key, value, true)
	}
	err := tree.Update(o.Key, value, false)
	var unknown *omegaconf.KeyError
	if !errors.As(err, &unknown) {
		return err
	}
	err = suggest(err, tree, o.Key)
	if l.Base != nil { // which keys there are is settled
		return err
	}
	return fmt.Errorf("%w (to add it, write +%s)", err, o.Line)
}

// suggest adds the nearest key that exists to an error about one that does not.
func suggest(err error, tree *omegaconf.Node, key string) error {
	var unknown *omegaconf.KeyError
	switch {
	case errors.As(err, &unknown):
		key = unknown.Path
	case !errors.Is(err, omegaconf.ErrNotThere):
		return err
	}
	keys := tree.Paths()
	if !strings.HasPrefix(key, "hydra") {
		keys = slices.DeleteFunc(keys, func(k string) bool { return strings.HasPrefix(k, "hydra.") || k == "hydra" })
	}
	// The siblings are nearest: the prefix is right already.
	if unknown != nil {
		prefix := key[:strings.LastIndexByte(key, '.')+1]
		for _, sibling := range unknown.Siblings {
			keys = append(keys, prefix+sibling)
		}
	}
	nearest, _ := Nearest(key, keys)
	if nearest == "" {
		return err
	}
	return fmt.Errorf("%w; the nearest is %q", err, nearest)
}

// fillHydra sets what hydra tells a job about itself.
func (l *Loader) fillHydra(tree *omegaconf.Node, overrides []*Override, picked *choices, repo *repository) error {
	h := tree.Get("hydra")
	var task, hydra []string
	for _, o := range overrides {
		if o.IsHydra() {
			hydra = append(hydra, o.Line)
		} else {
			task = append(task, o.Line)
		}
	}
	if err := addOverrides(h, hydra, task); err != nil {
		return err
	}
	known := h.Get("runtime").Get("choices")
	for _, key := range picked.knownOrder {
		if err := known.Set(key, picked.known[key]); err != nil {
			return err
		}
	}
	if err := copyEnvironment(h.Get("job")); err != nil {
		return err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("cannot tell the working directory: %w", err)
	}
	var sources []any
	for _, s := range repo.sources {
		path := s.Path
		if s.Scheme == "file" {
			if path, err = filepath.Abs(path); err != nil {
				return err
			}
		}
		sources = append(sources, source(path, s.Scheme, s.Provider))
	}
	sources = append(sources, source("", "structured", "schema"))
	job := h.Get("job")
	name, dirname := any(l.Job), overrideDirname(job, task)
	if n := job.Get("name"); !n.IsMissing() {
		name = n
	}
	var configName any
	if l.Name != "" {
		configName = l.Name
	}
	return errors.Join(
		h.Update("runtime.version", Version, false),
		h.Update("runtime.version_base", versionBase, false),
		h.Update("runtime.cwd", cwd, false),
		h.Update("runtime.config_sources", sources, false),
		h.Update("job.name", name, false),
		h.Update("job.override_dirname", dirname, false),
		h.Update("job.config_name", configName, false),
	)
}

func source(path, scheme, provider string) any {
	return omegaconf.Dict{{Key: "path", Value: path}, {Key: "schema", Value: scheme}, {Key: "provider", Value: provider}}
}

func addOverrides(h *omegaconf.Node, hydra, task []string) error {
	for _, line := range hydra {
		if err := h.Get("overrides").Get("hydra").Append(line); err != nil {
			return err
		}
	}
	for _, line := range task {
		if err := h.Get("overrides").Get("task").Append(line); err != nil {
			return err
		}
	}
	return nil
}

// copyEnvironment does what hydra.job.env_copy asks for.
func copyEnvironment(job *omegaconf.Node) error {
	for _, item := range job.Get("env_copy").Items() {
		name, _ := item.Text()
		value, ok := os.LookupEnv(name)
		if !ok {
			return fmt.Errorf("hydra.job.env_copy names %q, which the environment does not have", name)
		}
		if err := job.Get("env_set").Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

var equalSign = regexp.MustCompile("=")

// overrideDirname is a name made of the overrides.
func overrideDirname(job *omegaconf.Node, task []string) string {
	settings := job.Get("config").Get("override_dirname")
	text := func(key string) string { return omegaconf.Str(settings.Get(key)) }
	var exclude []string
	for _, item := range settings.Get("exclude_keys").Items() {
		exclude = append(exclude, omegaconf.Str(item))
	}
	var lines []string
	for _, line := range task {
		if o, err := ParseOverride(line); err == nil && !slices.Contains(exclude, o.Key) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return equalSign.ReplaceAllLiteralString(strings.Join(lines, text("item_sep")), text("kv_sep"))
}

// AddGroups makes each override that chooses an option of a group add it, for a
// primary config that has no defaults list: "optim=adamw" becomes "+optim=adamw".
// What is no valid override stays as it is.
func (l *Loader) AddGroups(overrides []string) []string {
	repo := newRepository(l.Sources)
	lines := slices.Clone(overrides)
	for i, line := range lines {
		if o, err := ParseOverride(line); err == nil && o.Op == Change && o.Key != "" && repo.groupExists(o.Key) {
			lines[i] = "+" + line
		}
	}
	return lines
}
