package hydra

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/torchlit/torchlit/config/omegaconf"
)

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
	return strings.ReplaceAll(strings.Join(lines, text("item_sep")), "=", text("kv_sep"))
}
