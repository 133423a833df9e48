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
		if err := l.apply(o, cfg.Tree, picked.knownOrder); err != nil {
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
	repo := newRepository(l.Sources)
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
			return nil, fmt.Errorf("in config %q: %w", d.Config, suggest(err, tree, "", nil))
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

// AddGroups makes each override that chooses an option of a group add it, for a
// primary config that has no defaults list: "optim=adamw" becomes "+optim=adamw".
// What is no valid override stays as it is.
func (l *Loader) AddGroups(overrides []string) []string {
	repo := newRepository(l.Sources)
	lines := slices.Clone(overrides)
	for i, line := range lines {
		if o, err := ParseOverride(line); err == nil && o.Op == Change && o.Key != "" && !o.IsHydra() && repo.groupExists(o.Key) {
			lines[i] = "+" + line
		}
	}
	return lines
}
